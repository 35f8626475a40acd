"""Every format remembers the line of each key, and refuses a key that is written twice."""

from collections.abc import Callable

import pytest
import yaml

from pipeline_framework.config import json_text, toml_text, yaml_text
from pipeline_framework.config.mistakes import Key
from pipeline_framework.errors import Misuse


@pytest.fixture(autouse=True, params=[yaml.SafeLoader, yaml.CSafeLoader], ids=["python", "libyaml"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds for both parsers of PyYAML, as an installation may have only one."""
    monkeypatch.setattr(yaml_text, "EVENTS", request.param)


YAML = "a: 1\n# comment\nb:\n  c: x\n  d:\n    - 1\n    - {e: 2}\n"
JSON = '{\n "a": 1,\n "b": {"c": "{,:[",\n  "d": [1,\n   {"e": 2}]}}\n'
TOML = 'a = 1\n\n[b]\nc = "x"\n"d.e" = 2\n'


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (yaml_text.parse, YAML, {("a",): 1, ("b", "c"): 4, ("b", "d", 1): 7, ("b", "d", 1, "e"): 7}),
        (json_text.parse, JSON, {("a",): 2, ("b", "c"): 3, ("b", "d"): 4, ("b", "d", 1, "e"): 5}),
        (toml_text.parse, TOML, {("a",): 1, ("b",): 3, ("b", "c"): 4}),
    ],
)
def test_keys_have_their_lines(
    parse: Callable[..., tuple[object, dict[Key, int], object]], text: str, expected: dict[Key, int]
) -> None:
    """Nested keys and items of lists too."""
    _, lines, _ = parse(text, "file")
    assert {key: lines.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "p.yml", "p.yml:1: a: Written twice, again in line 3. Keep one of them."),
        ("control:\n  url: x\n  url: y\n", "p.yml", "p.yml:2: control.url: Written twice, again in line 3."),
        ('{"a": 1,\n"a": 2}', "p.json", "p.json:1: a: Written twice, again in line 2. Keep one of them."),
    ],
)
def test_a_key_written_twice_is_a_mistake(
    problems: Callable[..., list[str]], text: str, name: str, expected: str
) -> None:
    """Both lines are named; the rest of the file is still checked."""
    told = problems(text, name)
    assert any(line.startswith(expected) for line in told)
    assert any("pipeline_id: Is missing" in line for line in told)


@pytest.mark.parametrize(
    ("text", "name", "line", "words"),
    [
        ("a:\n\t- b\n", "p.yml", 2, "A tab stands"),
        ("a: 1\n\tb: 2\n", "p.yml", 2, "A tab stands where YAML wants spaces"),
        ("a: [1, 2\nb: 3\n", "p.yml", 2, "Not valid YAML"),
        ("a: 1\n---\nb: 2\n", "p.yml", 2, "second document"),
        ("a: &x 1\nb: *y\n", "p.yml", 2, "undefined alias 'y'"),
        ("a: 1\nb: \x07\n", "p.yml", 2, "control character"),
        ('{"a": 1,\n "b" 2}', "p.json", 2, "Not valid JSON"),
        ('a = 1\nb = "x\n', "p.toml", 2, "Not valid TOML"),
        ("a = 1\na = 2\n", "p.toml", 2, "Cannot overwrite a value"),
    ],
)
def test_broken_text_names_its_line(
    problems: Callable[..., list[str]], text: str, name: str, line: int, words: str
) -> None:
    """One sentence with the line where reading stopped."""
    (told,) = problems(text, name)
    assert told.startswith(f"{name}:{line}: ")
    assert words in told


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("a: !!python/object:os.system x\n", "p.yml", "p.yml:1: a: The tag"),
        ("a: !!int word\n", "p.yml", "p.yml:1: a: The tag !!int"),
        ("? [a, b]\n: 1\n", "p.yml", "A key must be text"),
        ("a: &a [*a]\n", "p.yml", "an alias in it contains itself"),
        ("[" * 100_000, "p.yml", "nested too deeply"),
        ("? " * 50_000, "p.yml", "nested too deeply"),
        ("[" * 100_000, "p.json", "cannot be read"),
        ('{"a": NaN}', "p.json", "NaN is not a JSON number"),
    ],
)
def test_odd_texts_end_in_a_sentence(
    problems: Callable[..., list[str]], text: str, name: str, words: str
) -> None:
    """Tags, recursion and depth are told, and nothing is executed."""
    assert any(words in line for line in problems(text, name))


def test_aliases_that_multiply_are_stopped() -> None:
    """Nine levels of nine aliases would be 387 million values."""
    levels = "\n".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]" for n in range(1, 10))
    with pytest.raises(Misuse, match="more than 10,000 values"):
        yaml_text.parse(f"k0: &k0 x\n{levels}\n", "p.yml")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("2013-01-01", "2013-01-01"),
        ("2013-01-01 05:00:00 -05:00", "2013-01-01 05:00:00 -05:00"),
        ("2013-02-30", "2013-02-30"),
        ("1:30", "1:30"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("0", 0),
        ("-12", -12),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("", None),
        ("2h", "2h"),
        ("'12'", "12"),
        ("<<", "<<"),
    ],
)
def test_scalars_of_yaml_without_its_traps(written: str, value: object) -> None:
    """Dates, base-60 numbers and octal numbers stay text; booleans are what people write."""
    values, _, _ = yaml_text.parse(f"key: {written}\n", "p.yml")
    assert values == {"key": value}
    assert type(values["key"]) is type(value)


@pytest.mark.parametrize(
    "value", ["2013-01-01", "010", "12", "yes", "x: y", "ünï", ["a", 1], {"a": None}, "# no"]
)
def test_written_values_read_back(value: object) -> None:
    """What `pipeline init` and the reference page show is what is read."""
    values, _, _ = yaml_text.parse(f"key: {yaml_text.written(value)}\n", "p.yml")
    assert values == {"key": value}
