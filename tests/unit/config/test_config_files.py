"""Files that are no configuration: one sentence each, never a traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_framework.config import FinalConfig, files, load_final_config
from pipeline_framework.errors import Misuse

Problems = Callable[..., list[str]]


def refused(path: Path | str) -> str:
    with pytest.raises(Misuse) as caught:
        load_final_config(path)
    return str(caught.value)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    """Three ways out are named."""
    message = refused(tmp_path / "none.yml")
    assert message.startswith(f"{tmp_path}/none.yml does not exist.")
    assert all(way in message for way in ("pipeline init", "--config", "PIPELINE_CONFIG"))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """The likely file in it is suggested, also where the folder's name looks like a file."""
    (tmp_path / "flights.yml").mkdir()
    assert "is not a file" in refused(tmp_path)
    assert "flights.yml/pipeline.yml" in refused(tmp_path / "flights.yml")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only a comment\n", b"---\n"])
def test_an_empty_file_is_told_as_empty(tmp_path: Path, content: bytes) -> None:
    """Comments alone are no pipeline."""
    (tmp_path / "empty.yml").write_bytes(content)
    assert "is empty" in refused(tmp_path / "empty.yml")


@pytest.mark.parametrize("name", ["empty.json", "empty.toml"])
def test_other_formats_may_be_empty_too(tmp_path: Path, name: str) -> None:
    """JSON and TOML get the same sentence."""
    (tmp_path / name).write_text(" \n")
    assert "is empty" in refused(tmp_path / name)


@pytest.mark.parametrize("text", ["- a\n- b\n", "flights\n", "12\n"])
def test_a_list_or_a_text_is_no_mapping(problems: Problems, text: str) -> None:
    """What is not a mapping says how to begin one."""
    assert problems(text) == [
        "pipeline.yml is not a mapping of keys to values. Start it with `pipeline_id: name`."
    ]


def test_a_file_that_is_not_utf_8_says_so(tmp_path: Path) -> None:
    """Latin-1 is named by what is wrong, with the place."""
    (tmp_path / "latin.yml").write_bytes("pipeline_id: café\n".encode("latin-1"))
    assert refused(tmp_path / "latin.yml").endswith("is not UTF-8 text (byte 16). Save it as UTF-8.")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    (tmp_path / "bom.yml").write_bytes(b"\xef\xbb\xbfpipeline_id: flights\n")
    assert files.read(tmp_path / "bom.yml").values == {"pipeline_id": "flights"}


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """The reason of the operating system is in the sentence; here a link to itself, as root may read all."""
    (tmp_path / "loop.yml").symlink_to(tmp_path / "loop.yml")
    assert "loop.yml cannot be read: " in refused(tmp_path / "loop.yml")
    assert refused(tmp_path / "loop.yml").endswith("Check its path and permissions.")


@pytest.mark.parametrize("name", ["x" * 5000 + ".yml", "a\0b.yml"])
def test_an_impossible_name_is_told(tmp_path: Path, name: str) -> None:
    """Names that no file can have end in a sentence as well."""
    assert "cannot be read" in refused(tmp_path / name)


def test_an_unknown_ending_lists_the_known(tmp_path: Path) -> None:
    """The format follows from the name, so a strange name is an error."""
    assert refused(tmp_path / "pipeline.txt").endswith("must end in .yml, .yaml, .json, .toml.")


def test_a_home_that_does_not_exist_is_told() -> None:
    """A `~name` of nobody is no path."""
    assert "home folder" in refused("~nobody-here-42/pipeline.yml")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """A data file named by accident is not parsed."""
    (tmp_path / "data.json").write_bytes(b" " * (files.LARGEST + 1))
    assert "larger than 1,000,000 bytes" in refused(tmp_path / "data.json")


def test_the_three_formats_say_the_same(load: Callable[..., FinalConfig]) -> None:
    """YAML, JSON and TOML of one pipeline are equal in every key."""
    yaml = "{pipeline_id: a, granularity: 1h, start: 2024-01-01, implementation: m, email_list: [a@b.c]}"
    json = '{"pipeline_id": "a", "granularity": "1h", "start": "2024-01-01", "implementation": "m",'
    json += ' "email_list": ["a@b.c"]}'
    toml = 'pipeline_id = "a"\ngranularity = "1h"\nstart = 2024-01-01\nimplementation = "m"\n'
    toml += 'email_list = ["a@b.c"]'
    first, second, third = load(yaml), load(json, "p.json"), load(toml, "p.toml")
    assert first.for_functions() == second.for_functions() == third.for_functions()
