"""Whatever happens in the middle of a merge, the tables hold all of it or nothing."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.landing import LandingError
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.loading import Loader
from tests.helpers import prepared
from tests.helpers.each_case import try_each
from tests.helpers.house import MERGED, QUARTER, House, document, entry, moment

TABLES = (*MERGED, "export_job", "export_check")


def document_of(house: House, request_id: str) -> Path:
    return house.context.landing.root / house.outcome(request_id).export.landing_path / "document.zst"


@pytest.fixture
def house_of_two(tmp_path: Path) -> Iterator[House]:
    """Two exports are merged; made once."""

    def make(folder: Path) -> None:
        house = House(folder)
        for day, call in ((2, 100), (4, 110)):
            house.bring(document(entry("ann", call=call), entry("bob", call=call)), moment(10, day))

    shutil.copytree(prepared.made_once("transactions", make), tmp_path, dirs_exist_ok=True)
    house = House(tmp_path)
    house.exports = 2
    with house.held_open():
        yield house


def _two_exports(house: House) -> list[str]:
    return [row["request_id"] for row in house.rows("from clari.export_job order by exported_at")]


def _cut_in_half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _fill_with_noise(file: Path) -> None:
    file.write_bytes(b"\x00" * 64)


def test_a_replay_that_meets_a_damaged_document_changes_nothing(house_of_two: House) -> None:
    """The first document was merged again when the second could not be read: the tables are as they were."""
    house = house_of_two
    _first, second = _two_exports(house)
    before = house.snapshot(*TABLES)
    file = document_of(house, second)
    content = file.read_bytes()

    def check(damage: Callable[[Path], None]) -> None:
        file.write_bytes(content)
        damage(file)
        with pytest.raises(LandingError, match="document"):
            house.replay([], [])
        assert house.snapshot(*TABLES) == before

    try_each([Path.unlink, _cut_in_half, _fill_with_noise], check)


def test_a_late_document_beside_a_damaged_one_changes_nothing(house_of_two: House) -> None:
    """It waits, landed, until what it is to be rebuilt with can be read again, and keeps no newer one out."""
    house = house_of_two
    first, _second = _two_exports(house)
    content = document_of(house, first).read_bytes()
    late = house.deliver(document(entry("ann", call=105)), moment(10, 3))
    before = house.snapshot(*TABLES)
    document_of(house, first).unlink()
    with pytest.raises(LandingError):
        house.merge()
    assert house.snapshot(*TABLES) == before
    newer = house.deliver(document(entry("ann", call=130)), moment(10, 6))
    with pytest.raises(LandingError):
        house.merge()
    assert [house.outcome(one).export.state for one in (late, newer)] == ["LANDED", "LOADED"]

    document_of(house, first).write_bytes(content)
    house.merge()
    assert house.outcome(late).export.state == "LOADED"
    assert _versions(house) == [100, 105, 110, 130]


def _versions(house: House) -> list[Any]:
    """The calls that ann has made, one after the other."""
    found = house.tuples(
        "select forecast_value from clari.forecast_entry_history "
        "where forecast_id = 'north' and user_id = 'ann' order by valid_from"
    )
    return [call for (call,) in found]


def _no_manifest(file: Path) -> None:
    (file.parent / "manifest.json").write_bytes(b"{")


def test_documents_that_are_damaged_before_they_are_merged_are_refused_and_the_others_go_in(
    house_of_two: House,
) -> None:
    """Each is named, with the remedy; when a backup has brought them back, a replay puts them where they belong."""
    house = house_of_two
    damages = (Path.unlink, _cut_in_half, _fill_with_noise, _no_manifest)
    bad = [house.deliver(document(entry("ann", call=120 + day)), moment(10, day)) for day in range(5, 9)]
    good = house.deliver(document(entry("ann", call=130)), moment(10, 9))
    contents = {file: file.read_bytes() for one in bad for file in document_of(house, one).parent.iterdir()}
    for request_id, damage in zip(bad, damages, strict=True):
        damage(document_of(house, request_id))

    def states() -> list[str]:
        return [house.outcome(one).export.state for one in (*bad, good)]

    house.merge()
    assert states() == ["REFUSED"] * 4 + ["LOADED"]
    for refused in map(house.outcome, bad):
        assert refused.export.landing_path in refused.reason
        assert refused.section == "export_is_readable"

    for file in list(contents)[:-2]:  # all but the last one's
        file.write_bytes(contents[file])
    house.replay([], [])
    assert states() == ["LOADED"] * 3 + ["REFUSED", "LOADED"]
    assert _versions(house) == [100, 110, 125, 126, 127, 130]


def test_what_nobody_has_thought_of_while_an_export_is_judged_is_that_exports(house_of_two: House) -> None:
    """Its rows were merged, and are taken back: the document is refused by name, others of its quarter go in."""
    house, broken = house_of_two, [True]

    def now() -> datetime:
        """A clock that says, the first time that an export's rows are noted, what no clock can."""
        if broken and not broken.clear():
            raise OverflowError("year 10000 is out of range")
        return moment(12, 30)

    bad = house.deliver(document(entry("ann", call=120)), moment(10, 5))
    other = house.deliver(document(entry("ann", call=1)), moment(10, 6), forecast="south")
    newer = house.deliver(document(entry("ann", call=130)), moment(10, 7))
    Loader(Context.of(house.context.settings, now=now)).merge_landed(QUARTER)
    assert [house.outcome(one).export.state for one in (bad, other, newer)] == ["REFUSED", "LOADED", "LOADED"]
    refused = house.outcome(bad)
    assert refused.section == "export_is_readable"
    assert "OverflowError: year 10000 is out of range" in refused.reason
    assert _versions(house) == [100, 110, 130]


def test_a_table_that_refuses_the_rows_leaves_nothing_half_merged(house: House) -> None:
    """The history is written before the people: where people cannot be written, there is no history either."""
    house.bring(document(entry("ann", call=100)), moment(10, 2))
    house.execute("alter table clari.forecast_user_sighting rename column role_name to role_title")
    request_id = house.deliver(document(entry("ann", call=200), entry("bob", call=1)), moment(10, 3))
    before = house.snapshot(*TABLES)
    with pytest.raises(Exception, match="role_name"):
        house.merge()
    assert house.snapshot(*TABLES) == before

    house.execute("alter table clari.forecast_user_sighting rename column role_title to role_name")
    house.merge()
    assert house.outcome(request_id).export.state == "LOADED"
    assert house.value("select forecast_value from clari.forecast_entry where user_id = 'ann'") == 200


def test_documents_that_wait_are_merged_once_in_the_order_of_export(house: House) -> None:
    for day, call in ((4, 110), (2, 100), (3, 105)):
        house.deliver(document(entry("ann", call=call)), moment(10, day))
    assert (len(house.merge()), house.merge()) == (3, [])
    assert _versions(house) == [100, 105, 110]


def test_a_lost_warehouse_comes_back_from_the_landing_folder(house_of_two: House, open_house: Any) -> None:
    """The documents are the only copy; the tables can be made from them at any time."""
    house = house_of_two
    house.bring(b"not an export", moment(10, 5))
    elsewhere = open_house(warehouse="elsewhere")
    elsewhere.replay([], [])
    tables = ("forecast_entry", "forecast_entry_history", "forecast_user", "forecast_vs_quota")
    assert elsewhere.snapshot(*tables) == house.snapshot(*tables)
    jobs = "select job_id, state, exported_at, rows_exported from clari.export_job order by job_id"
    assert elsewhere.rows(jobs) == house.rows(jobs)
    first, refused = elsewhere.replay([], [])
    assert (len(first), len(refused)) == (3, 1)
