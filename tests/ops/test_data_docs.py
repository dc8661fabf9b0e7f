"""Data Docs as their readers have them: opened in a browser, which is told to reach nothing but files."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from clari_pipeline.checks.data_docs import Batch, DataDocsError, Expected, Judged, write
from clari_pipeline.ops.quality import write_data_docs
from tests.helpers.browser import Reader
from tests.helpers.house import House, document, entry, moment

SCRIPT = "<script>alert(1)</script>"
AWKWARD = "../nörd. 北 & <b>" + "x" * 150
AMOUNT = "123456789012345678901234567890.5"
CONFLICT = document(entry(SCRIPT, call=1), entry(SCRIPT, call=2), entry("bob", call=3))


def site_of(house: House, **settings: Any) -> Path:
    page, _ = write_data_docs(house.context.warehouse, house.context.settings.model_copy(update=settings))
    return page


def rows_of(page: Page) -> list[list[str]]:
    """The cells of the first table."""
    return [
        [" ".join(cell.inner_text().split()) for cell in row.locator("td").all()]
        for row in page.locator("table").first.locator("tbody tr").all()
    ]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A run that refused an awkward forecast's quarter and merged another's."""
    house = House(tmp_path / "data")
    with house.held_open():
        assert house.bring(CONFLICT, moment(10, 2), forecast=AWKWARD).export.state == "REFUSED"
        house.bring(document(entry(call=1)), moment(10, 2))
    return house


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light")])
def test_a_refused_export_is_shown_with_its_rows(reader: Reader, house: House, width: int, scheme: str) -> None:
    """From the first page to the check, in words, its rows, the suite and back; axe finds nothing on any of them.

    Markup in a name is shown as it is written; nothing scrolls sideways; what is folded away opens.
    """
    page = reader.open(site_of(house), width=width, scheme=scheme)

    def assert_it_is_well_made() -> None:
        page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") == width

    assert {(row[0], row[1].split()[0], row[2]) for row in rows_of(page)} == {
        (f"{AWKWARD} 2026_Q4", "Failed", "refused"),
        ("north 2026_Q4", "Passed", "merged"),
    }
    assert_it_is_well_made()
    page.get_by_role("link", name=AWKWARD).click()
    broken = page.locator("section", has=page.get_by_role("heading", name="entry_keys_are_unique"))
    said = " ".join(broken.inner_text().split())
    assert "No two entries of one key differ" in said
    assert "1 keys stand on entries that differ" in said
    assert "values must" in said, "as Great Expectations writes it"
    assert SCRIPT in broken.locator("tbody tr").nth(1).inner_text()
    assert_it_is_well_made()
    page.get_by_role("link", name="forecast_export").click()
    assert "The document holds at least one entry." in page.locator("main").inner_text()
    assert_it_is_well_made()
    page.get_by_role("link", name="Data Docs").click()
    assert page.title() == "Data Docs"


def test_only_the_newest_runs_are_shown(reader: Reader, house: House) -> None:
    """Pages of a run that has left are gone, other files of the folder stay; the same again changes no byte."""
    index = site_of(house)
    with house.held_open():
        house.bring(document(entry(call=2)), moment(10, 9))
        house.execute("update clari.export_job set run_id = 'run of ' || cast(exported_at as varchar)")
    other = index.parent / "validations" / "notes.txt"
    other.write_text("mine")
    shown = {}
    for runs in (10, 2, 1):
        page = reader.open(site_of(house, data_docs_runs=runs))
        shown[runs] = [row[3] for row in rows_of(page)]
        files = {file.relative_to(index.parent): file.read_bytes() for file in index.parent.rglob("*.html")}
        assert len(files) == len(shown[runs]) + 3
        site_of(house, data_docs_runs=runs)
        assert {file.relative_to(index.parent): file.read_bytes() for file in index.parent.rglob("*.html")} == files
    newest, *older = shown[10]
    assert (newest, older) == ("2026-10-09 06:00:00 UTC", ["2026-10-02 06:00:00 UTC"] * 2)
    assert (shown[2], shown[1]) == (shown[10], [newest])
    assert other.read_text() == "mine"
    assert not any(folder.is_dir() and not any(folder.iterdir()) for folder in index.parent.rglob("*"))


def test_without_a_run_the_first_page_says_so(reader: Reader, tmp_path: Path) -> None:
    """Before there is a warehouse, too; the suites are shown."""
    house = House(tmp_path)
    house.context.warehouse.folder.joinpath("warehouse.duckdb").unlink()
    page = reader.open(site_of(house))
    assert "run clari-pipeline sync" in page.locator("main").inner_text()
    assert page.get_by_role("link", name="forecast_export").count() == 1
    assert Axe().run(page).violations_count == 0


def test_evidence_of_any_shape_is_shown(reader: Reader, house: House) -> None:
    """Of an earlier release, of a check that is no more, with what does something to a screen."""
    shapes = {
        "summary": "<b>$x ${y} $$</b>",
        "nested": {"b": [1, {"c": None}]},
        "list": [1, "two", [3]],
        "rows": [{"x": 1}, {"y": {"z": "\u202e"}}],
        "many": [{"n": 1}] * 101,
        "empty": [{}],
        "exact": "AMOUNT",
    }
    written = json.dumps(shapes).replace('"AMOUNT"', AMOUNT)
    with house.held_open():
        house.execute(
            f"update clari.export_check set evidence = '{written}' where check_name = 'entry_keys_are_unique'"
        )
        house.execute("update clari.export_check set check_name = 'was_once' where check_name = 'people_are_distinct'")
        house.execute("update clari.export_check set evidence = null where check_name = 'export_is_readable'")
    index = site_of(house)
    page = reader.open(index)
    page.get_by_role("link", name=AWKWARD).click()
    shown = page.locator("main").inner_text()
    assert (shapes["summary"] in shown, AMOUNT in shown) == (True, True)
    assert "many: the first 100 of 101" in shown
    assert "\u202e" not in page.content()
    page.go_back()
    page.get_by_role("link", name="north").click()
    assert "A check of an earlier release." in page.locator("main").inner_text()


def test_an_expectation_may_be_known_as_text_alone(reader: Reader, tmp_path: Path) -> None:
    """A rule whose arguments are not kept beside its verdict: on its suite's page, and where it failed."""
    text = "coverage_ratio: values to be between, min_value 3"
    rule = Expected("coverage", "expect_column_values_to_be_between", {}, "Enough to win.", "WARN", written=text)
    batch = Batch("own", "pipeline_coverage", "1", "run", moment(10, 2), [Judged(rule, False, "2.5", {"rows": 7})])
    index = write(tmp_path / "docs", {"own": [rule]}, [batch])
    for link in ("own", "pipeline_coverage"):
        page = reader.open(index)
        page.get_by_role("link", name=link).first.click()
        shown = page.locator("main").inner_text()
        assert (text in shown, "Enough to win." in shown) == (True, True)
        assert Axe().run(page).violations_count == 0


def test_two_at_once_leave_one_whole_site(house: House) -> None:
    """And nothing beside it but the lock."""
    with ThreadPoolExecutor(2) as both:
        (index, _) = both.map(lambda _: site_of(house), range(2))
    linked = re.findall(r'href="([^"]+)"', index.read_text(encoding="utf-8"))
    assert len(linked) > 3
    assert all((index.parent / link).is_file() for link in linked)
    assert {file.name for file in index.parent.parent.glob(".data_docs*")} == {".data_docs.lock"}


def test_what_a_killed_process_left_is_no_hindrance(house: House) -> None:
    left = house.context.settings.data_dir / ".data_docs" / "validations" / "half.html"
    left.parent.mkdir(parents=True)
    left.write_text("half a pa")
    index = site_of(house)
    assert not left.exists()
    assert not [*index.parent.rglob("half.html")]


def test_a_site_that_lacks_a_page_is_not_put_in_place(house: House) -> None:
    """Great Expectations goes on where it cannot render one: the cause is in the error, and no traceback on stderr."""
    before = site_of(house).read_bytes()
    house.execute("update clari.export_check set severity = 'odd'")
    with pytest.raises(DataDocsError, match="KeyError"):
        site_of(house)
    assert (house.context.settings.data_docs_dir / "index.html").read_bytes() == before
