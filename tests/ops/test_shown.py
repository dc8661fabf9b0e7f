"""What people read holds no control characters, no escape sequences and no overrides of direction, on any road."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from clari_pipeline.cli import app as cli
from clari_pipeline.core.safe_text import json_text, one_line, printable, spreadsheet_cell
from tests.helpers.each_case import try_each
from tests.helpers.forecast import shared_house
from tests.helpers.house import document, entry, moment, person

AWKWARD = "\x1b]0;owned\x07\x1b[2JAnn\u202egnp.exe\u2066\x9b31m\x7f\u2028\r\b"
DOES_SOMETHING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def test_text_for_people_does_nothing() -> None:
    """And is otherwise as it was: letters of any script, emoji of several characters, the marks of mixed directions."""
    assert printable(AWKWARD) == " ]0;owned  [2JAnngnp.exe 31m    "
    assert one_line(AWKWARD) == "]0;owned [2JAnngnp.exe 31m"
    for name in ("Zoë Å", "李雷", "👩\u200d👩\u200d👧 Ana", "\u200fשלום", "a\u00a0b", "[bold]x[/] :dog:"):
        assert printable(name) == name
    text = json_text({"name": AWKWARD, "half": "\ud800"}, indent=1)
    assert not DOES_SOMETHING.search(text)
    assert json.loads(text) == {"name": AWKWARD, "half": "\ud800"}


CELLS = {
    "=1+1": "'=1+1",
    "+cmd": "'+cmd",
    "-2+3": "'-2+3",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1+1": "' =1+1",
    "\rx": "' x",
    " =1+1": "' =1+1",
    "＝1+1": "'＝1+1",
    "\u202e=1+1": "'=1+1",
    "\0=1+1": "' =1+1",
    "\u2066\x1b@SUM(A1)": "' @SUM(A1)",
    "\u200b=1+1": "'\u200b=1+1",
    "\ufeff-2+3": "'\ufeff-2+3",
    "-5": "-5",
    "-1200.00": "-1200.00",
    "+3": "+3",
    "-": "'-",
    "Ann = Bob": "Ann = Bob",
    "005-1": "005-1",
    "a\x1bb": "a b",
    "": "",
}


def test_a_cell_is_no_formula() -> None:
    def check(text: str) -> None:
        assert spreadsheet_cell(text) == CELLS[text]

    try_each(CELLS, check)


@pytest.fixture
def awkward(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two exports of a forecast of which person, field, week and role are called so, and whose call swings."""
    monkeypatch.delenv("CLARI_API_KEY", raising=False)
    names = {"people": [person(AWKWARD, role=AWKWARD, parent=None)], "fields": {"=commit": AWKWARD}}
    with shared_house(folder) as house:
        for day, call in ((5, 100), (6, -900)):
            shown = document(entry(AWKWARD, call=call, field="=commit", submitted=True), **names)
            house.bring(shown, moment(10, day), forecast=AWKWARD)
        house.execute(
            "insert into clari.alert (alert_key, alert_class, kind, severity, title, body, created_at, last_error) "
            f"values ('k{AWKWARD}', 'c', 'export_failed', 'P2', '{AWKWARD}', '{AWKWARD}', now(), '{AWKWARD}')"
        )


COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("alerts", "list"),
    ("alerts", "list", "--json"),
    ("as-of", "2026-10-06T06:00"),
    ("as-of", "2026-10-06T06:00", "--format", "csv"),
    ("replay",),
    ("sync", "--forecast", AWKWARD),
    ("as-of", AWKWARD),
)


@pytest.mark.usefixtures("awkward")
def test_no_command_shows_what_does_something(capsys: pytest.CaptureFixture[str]) -> None:
    """Names, ids, alerts, arguments: on standard output and beside it, as text, as JSON and as CSV."""

    def check(words: tuple[str, ...]) -> None:
        capsys.readouterr()
        code = cli.run(list(words))
        told = capsys.readouterr()
        assert code == (2 if AWKWARD in words else 0), told.err
        assert not DOES_SOMETHING.search(told.out + told.err)
        if words == ("replay",):
            assert "Anngnp.exe 31m" in told.out
        if "--json" in words:
            assert json.dumps(AWKWARD)[1:-1] in json.dumps(json.loads(told.out))  # nothing is lost

    try_each(COMMANDS, check)
    capsys.readouterr()
    assert cli.run(["as-of", "2026-10-06T06:00", "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["user_id"], row["field_id"]) == (printable(AWKWARD), "'=commit")
    assert row["forecast_value"] == "-900.0000"
