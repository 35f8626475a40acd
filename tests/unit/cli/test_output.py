"""Tables for people fit the terminal they are shown on."""

import pytest

from pipeline_framework.cli import output
from pipeline_framework.cli.options import Format
from pipeline_framework.cli.output import print_rows

ROWS = [{"key_x": "a", "actor": "somebody"}, {"key_x": "a" * 30, "actor": "somebody"}]


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is a page."""
    monkeypatch.setattr(output, "PAGE", 1)


@pytest.mark.parametrize(
    ("columns", "headers"), [(40, ["key x", "actor"]), (15, ["key x"])], ids=["wide", "narrow"]
)
def test_every_page_has_the_columns_of_the_first(
    columns: int,
    headers: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wider row further down takes no column away; what is left out is said once, below all."""
    monkeypatch.setenv("COLUMNS", str(columns))
    print_rows(ROWS, Format.TABLE, ["key_x", "actor"])
    *lines, last = capsys.readouterr().out.splitlines()
    shown = [line.strip("┃").split("┃") for line in lines if "key" in line]
    assert [[header.strip() for header in page] for page in shown] == [headers, headers]
    assert "\n".join([*lines, last]).count("--format json") == (len(headers) == 1)
    assert ("every column" in last) == (len(headers) == 1)


def test_no_row_is_the_title_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a head of columns that have nothing below."""
    print_rows([], Format.TABLE, ["key_x"], title="nothing waits")
    assert capsys.readouterr().out == "nothing waits\n"
