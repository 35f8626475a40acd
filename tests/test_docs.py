"""What README and docs tell a reader to type works, and what they show is true."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_framework import testing
from pipeline_framework.config import load_final_config

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDE = ROOT / "docs/new-implementation.md"
EXAMPLE = ROOT / "implementations/sqlite"
NOTHING_TO_DO = 3


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def pages_with(language: str) -> list[Path]:
    """Pages that have such a block."""
    return [page for page in PAGES if blocks(page, language)]


def name(page: Path) -> str:
    """Where a page is, as its test's id."""
    return str(page.relative_to(ROOT))


def commands(page: Path) -> Iterator[str]:
    """Every command of the page's consoles, in order."""
    for block in blocks(page, "console"):
        yield from (line[2:] for line in block.splitlines() if line.startswith("$ "))


def typed(page: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Every command and where its reader types it, who has no pipeline file but the one a page tells of."""
    for command in commands(page):
        if command.startswith("pipeline init"):
            (folder / "pipeline.yml").unlink()
        if command.startswith("cd "):
            folder /= command.removeprefix("cd ")
            (folder / "pipeline.yml").write_text(blocks(page, "yaml")[0])
        else:
            yield command, folder


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example after its first window."""
    folder = tmp_path / "flights"
    folder.mkdir()
    shutil.copy(ROOT / "examples/flights/pipeline.yml", folder)
    shutil.copytree(ROOT / "examples/flights/data", folder / "data")
    subprocess.run([Path(sys.executable).parent / "pipeline", "run"], cwd=folder, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("console"), ids=name)
def test_commands_of_a_page_run_in_order(page: Path, example: Path) -> None:
    """Each succeeds, or says that nothing is to do, on the example's data."""
    for command, folder in typed(page, example):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in {0, NOTHING_TO_DO}, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", pages_with("yaml"), ids=name)
def test_pipeline_files_on_a_page_are_valid(page: Path, tmp_path: Path) -> None:
    """Every YAML block that names a pipeline can be loaded."""
    for block in blocks(page, "yaml"):
        if "pipeline_id:" in block:
            (tmp_path / "pipeline.yml").write_text(block)
            assert load_final_config(tmp_path / "pipeline.yml").pipeline_id


@pytest.mark.parametrize("page", pages_with("python"), ids=name)
def test_python_on_a_page_is_python(page: Path) -> None:
    """It parses, and what it imports exists."""
    for block in blocks(page, "python"):
        imports = [node for node in ast.parse(block).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module([*imports], []), str(page), "exec"), {})  # noqa: S102 our own page


def test_the_guide_to_connectors_defines_what_it_shows() -> None:
    """Its classes can be made of what they import and inherit."""
    for block in blocks(GUIDE, "python"):
        exec(compile(block, str(GUIDE), "exec"), {"__name__": "guide"})  # noqa: S102 our own page


def test_the_guide_to_connectors_names_each_contract_and_counts_its_example() -> None:
    """An author finds every class to inherit, and about how long such a connector is."""
    guide = GUIDE.read_text()
    assert [word for word in testing.__all__ if f"`{word}`" not in guide] == []
    files = {path.stem: len(path.read_text().splitlines()) for path in EXAMPLE.glob("*.py")}
    told = re.search(
        r"in about (\d+) lines \(.* (\d+), .*\s(\d+), source (\d+), target (\d+)\)", guide, re.DOTALL
    )
    assert told is not None
    lines = [sum(files.values()), *(files[part] for part in ("kinds", "session", "source", "target"))]
    assert list(map(int, told.groups())) == pytest.approx(lines, rel=0.1)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_command_is_in_the_docs() -> None:
    """A command that no page mentions is not there for its user."""
    from pipeline_framework.cli.app import app

    text = "\n".join(page.read_text() for page in PAGES)
    for command in app.registered_commands:
        word = command.name or getattr(command.callback, "__name__", "")
        assert f"pipeline {word}" in text, word


def test_every_exit_code_is_told() -> None:
    """In the README, for who is on call, and by `pipeline --help`."""
    from pipeline_framework.cli import app

    codes = {0, app.FAILED, app.MISUSED, app.NOTHING_TO_DO, app.INTERRUPTED, app.TERMINATED}
    pages = [(ROOT / "README.md").read_text(), (ROOT / "docs/operations.md").read_text()]
    for text in (*pages, app.app.info.epilog or ""):
        told = " ".join(text.partition("Exit codes:")[2].split("SIGTERM")[0].split())
        assert set(map(int, re.findall(r"\b\d+\b", told))) == codes
