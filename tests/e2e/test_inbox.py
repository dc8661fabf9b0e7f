"""A folder that managers drop their exports in, through the command line: each new file is merged once."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clari_pipeline.core.periods import FiscalCalendar, Quarter
from tests.helpers.csv_lines import csv_line, csv_of
from tests.helpers.terminal import BEFORE, CURRENT, Terminal


class Inbox:
    """A folder; files in it are an hour old unless `hours` gives another age."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.folder = terminal.folder / "inbox"
        self.folder.mkdir()

    def drop(self, name: str, content: bytes, *, hours: float = 1) -> Path:
        file = self.folder / name
        file.write_bytes(content)
        then = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
        os.utime(file, (then, then))
        return file

    def merged(self, *words: str, code: int = 0) -> dict[str, tuple[str, str]]:
        """Run `replay --inbox`; state and detail of each entry of the folder, by name."""
        answer = self._terminal("replay", "--inbox", "inbox", "--forecast", "north", "--json", *words)
        assert answer.code == code, (answer.out, answer.err)
        files = answer.document["files"]
        failed = {one["file"] for one in files if one["state"] in {"REFUSED", "UNREADABLE"}}
        assert {line.removeprefix("clari-pipeline: ").partition(": ")[0] for line in answer.err.splitlines()} >= failed
        return {one["file"]: (one["state"], one["detail"]) for one in files}


@pytest.fixture
def inbox(terminal: Terminal) -> Inbox:
    return Inbox(terminal)


def managers(
    *amounts: object, quarter: Quarter = CURRENT, label: str = "FY{0.year} Q{0.number}", has_days: bool = True
) -> bytes:
    """A manager's CSV of a quarter's first weeks."""
    first = FiscalCalendar().first_day(quarter)
    lines = []
    for week, amount in enumerate(amounts):
        days = [f"{first + timedelta(days=7 * week + day):%m/%d/%Y}" for day in (0, 6)] if has_days else ["", ""]
        lines.append(csv_line(amount, crm="", period=label.format(quarter), week=week + 1, days=(days[0], days[1])))
    return csv_of(*lines)


def test_every_new_file_is_merged_once_and_the_folder_stays_as_it_is(terminal: Terminal, inbox: Inbox) -> None:
    inbox.drop("east.csv", managers("-2400000.0", "1"), hours=3)
    inbox.drop("last.csv", managers("7", quarter=BEFORE, label="Q{0.number}"), hours=3)
    inbox.drop("later.csv", managers("-2400000.0", "2"), hours=2)
    before = {file: (file.read_bytes(), file.stat().st_mtime) for file in inbox.folder.iterdir()}
    assert inbox.merged() == {
        "east.csv": ("MERGED", f"merged into {CURRENT}, 2 entries (2 new, 0 changed, 0 the same)"),
        "last.csv": ("MERGED", f"merged into {BEFORE}, 1 entries (1 new, 0 changed, 0 the same)"),
        "later.csv": ("MERGED", f"merged into {CURRENT}, 2 entries (0 new, 1 changed, 1 the same)"),
    }
    inbox.drop("again.csv", managers("-2400000.0", "1"), hours=1)  # the bytes of another file, later
    assert {name: state for name, (state, _) in inbox.merged().items()} == dict.fromkeys(
        ("again.csv", "east.csv", "last.csv", "later.csv"), "KNOWN"
    )
    (inbox.folder / "again.csv").unlink()
    assert {file: (file.read_bytes(), file.stat().st_mtime) for file in inbox.folder.iterdir()} == before
    calls = "select time_period_id, time_frame_id, forecast_value from clari.forecast_entry order by all"
    assert terminal.query(calls) == sorted(
        [(str(CURRENT), "W01", -2400000), (str(CURRENT), "W02", 2), (str(BEFORE), "W01", 7)]
    )
    said = terminal("replay", "--inbox", "inbox", "--forecast", "north").out
    assert f"east.csv: known already, of {CURRENT}" in said


def test_a_file_that_cannot_be_merged_is_named_with_why_and_stops_no_other(terminal: Terminal, inbox: Inbox) -> None:
    two = managers("1") + b"\n" + managers("1", quarter=BEFORE).partition(b"\n")[2]
    inbox.drop("good.csv", managers("5"))
    inbox.drop("two quarters.csv", two)
    inbox.drop("half.csv", managers("5", label="H1 FY{0.year}"))
    inbox.drop("money.csv", managers("~5"))
    inbox.drop("cut.csv", managers("5")[:-8])
    inbox.drop("workbook.csv", b"PK\x03\x04\xff")
    inbox.drop("tomorrow.csv", managers("6"), hours=-24)
    inbox.drop("old.csv", managers("6"), hours=24 * 400)
    found = inbox.merged(code=1)
    expected = {
        "good.csv": ("MERGED", "merged into"),
        "two quarters.csv": ("REFUSED", f"{BEFORE}, {CURRENT}, and a document is of one quarter: export each"),
        "half.csv": ("REFUSED", f"Timeframe 'H1 FY{CURRENT.year}' is no period: a quarter (FY27 Q2"),
        "money.csv": ("REFUSED", "amounts_are_readable"),
        "cut.csv": ("UNREADABLE", "cannot be read: line 2"),
        "workbook.csv": ("UNREADABLE", "Excel workbook, and is to be unpacked or saved as CSV UTF-8"),
        "tomorrow.csv": ("REFUSED", "still to come by this machine's clock: say with --document and --exported-at"),
        "old.csv": ("REFUSED", "can have been exported from"),
    }
    assert {name: state for name, (state, _) in found.items()} == {name: state for name, (state, _) in expected.items()}
    assert [name for name, (_, part) in expected.items() if part not in found[name][1]] == []
    assert terminal.query("select count(*) from clari.forecast_entry") == [(1,)]
    for name in expected.keys() - {"good.csv", "money.csv"}:
        (inbox.folder / name).unlink()
    again = inbox.merged()
    assert again["money.csv"][0] == "KNOWN"
    assert "it was refused: amounts_are_readable" in again["money.csv"][1]


def test_what_is_no_document_is_left_alone_and_is_no_failure(terminal: Terminal, inbox: Inbox) -> None:
    outside = terminal.folder / "elsewhere.csv"
    outside.write_bytes(managers("5"))
    (inbox.folder / "link.csv").symlink_to(outside)
    (inbox.folder / "dangling.csv").symlink_to(terminal.folder / "nowhere")
    (inbox.folder / "more").mkdir()
    (inbox.folder / "more" / "inner.csv").write_bytes(managers("5"))
    os.mkfifo(inbox.folder / "pipe.csv")
    for name in (".hidden.csv", "~$open.xlsx"):
        inbox.drop(name, managers("5"))
    inbox.drop("begun.csv", b"")
    inbox.drop("arriving.csv", managers("5"), hours=0)
    inbox.drop("notes.txt", b"Call Dana on Monday\n")
    inbox.drop("package.json", b'{"name": "x", "entries": 5}')
    inbox.drop("page.html", b"<html></html>")
    inbox.drop("logo.png", b"\x89PNG\r\n\x1a\n\x00\xff")
    expected = {
        "link.csv": ("SKIPPED", "a link: put the file itself here"),
        "dangling.csv": ("SKIPPED", "a link"),
        "more": ("SKIPPED", "a folder"),
        "pipe.csv": ("SKIPPED", "no file"),
        ".hidden.csv": ("SKIPPED", "hidden"),
        "~$open.xlsx": ("SKIPPED", "hidden"),
        "begun.csv": ("SKIPPED", "empty: it may still be being copied"),
        "arriving.csv": ("SKIPPED", "may still be being copied: run the command again"),
        "notes.txt": ("NO_DOCUMENT", "no column User"),
        "package.json": ("NO_DOCUMENT", "not a document"),
        "page.html": ("NO_DOCUMENT", "web page"),
        "logo.png": ("NO_DOCUMENT", "not UTF-8"),
    }
    found = inbox.merged()
    assert {name: state for name, (state, _) in found.items()} == {name: state for name, (state, _) in expected.items()}
    assert [name for name, (_, part) in expected.items() if part not in found[name][1]] == []
    assert terminal.query("select count(*) from clari.export_job") == [(0,)]


def test_a_file_that_names_no_quarter_is_of_the_one_that_is_given(terminal: Terminal, inbox: Inbox) -> None:
    """A quarter without a year is of the one given, if it has that number; periods that a file names go first."""
    inbox.drop("nameless.csv", managers("5", label="Q{0.number}", has_days=False))
    inbox.drop("before.csv", managers("5", quarter=BEFORE))
    inbox.drop("year.json", json.dumps(_relational(period=str(CURRENT.year - 1))).encode())
    assert {name: state for name, (state, _) in inbox.merged(code=1).items()} == {
        "nameless.csv": "REFUSED", "before.csv": "MERGED", "year.json": "REFUSED",
    }  # fmt: skip
    found = inbox.merged("--period", str(CURRENT), code=1)
    assert found["nameless.csv"][1].startswith(f"merged into {CURRENT}")
    assert found["before.csv"] == ("KNOWN", f"known already, of {BEFORE}")
    assert "export_period_matches_request" in found["year.json"][1]


def _relational(*, period: str) -> dict[str, object]:
    entry = {"fieldId": "f", "timeFrameId": "W01", "timePeriodId": period, "userId": "u", "forecastValue": 1}
    return {"entries": [entry], "timePeriods": [{"timePeriodId": period, "type": "YEAR"}]}
