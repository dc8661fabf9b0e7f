"""The board as its readers have it: opened in a browser, its filters used, its figures held against the marts."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from clari_pipeline.board import write_board
from clari_pipeline.board.figures import MOST_PEOPLE
from clari_pipeline.board.page import MOST_BYTES
from clari_pipeline.notify.rendering import money, percent
from tests.board.conftest import with_program
from tests.helpers import prepared
from tests.helpers.browser import Reader
from tests.helpers.house import House, document, entry, moment, person

SCRIPT = "<script>alert(1)</script>"
LONG = "Wolfeschlegelsteinhausenbergerdorff " * 6
FIRST, LATER = moment(10, 14), moment(10, 21)
_SELECTS = ("quarter", "forecast", "field")


def bring(house: House, *brought: tuple[Any, Any, dict[str, Any]]) -> None:
    """Merge these documents and make every mart."""
    with house.held_open():
        for content, at, request in brought:
            assert house.bring(content, at, **request).export.state == "LOADED"
        house.refresh_marts()


def board_of(house: House, folder: Path) -> Path:
    return write_board(house.context.warehouse, with_program(folder))[0]


def weeks(who: str, upto: int, **figures: Any) -> Iterator[dict[str, Any]]:
    """The same call in each week that has begun."""
    for week in range(1, upto + 1):
        yield entry(who, f"W{week:02d}", **figures)


def team(upto: int, *, call: str, awkward: str = SCRIPT, currency: str = "USD") -> dict[str, Any]:
    """A head with two reports, one of whose names is no plain one; `call` is that one's."""
    rows = [
        *weeks("head", upto, call="3000000.25", closed="1200000.10", total="5000000", currency=currency),
        *weeks("ann", upto, call=call, closed="400000", total="900000", currency=currency),
        *weeks("bob", upto, call="700000", closed="300000", total="800000", currency=currency),
        *(entry(who, "W01", "quota", quota=quota, currency=currency) for who, quota in QUOTAS.items()),
        *weeks("head", upto, field="best_case", call="4000000", closed="1200000.10", currency=currency),
    ]
    people = [
        person("head", role="cro", parent=None),
        person("ann", role="ae-east", parent="cro") | {"name": awkward},
        person("bob", role="ae-west", parent="cro") | {"name": LONG},
    ]
    return document(*rows, people=people)


QUOTAS = {"head": "4000000", "ann": "1000000", "bob": "0"}


@pytest.fixture(scope="session")
def figures(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Two forecasts, one of them in euros; a swing; a finished quarter beside the current one. Made once for all."""
    made = prepared.made_once("board", _make_figures)
    return House(shutil.copytree(made, tmp_path_factory.mktemp("board"), dirs_exist_ok=True))


def _make_figures(folder: Path) -> None:
    house = House(folder)
    bring(
        house,
        (team(2, call="500000"), FIRST, {}),
        (team(3, call="800000.55"), LATER, {}),
        (team(3, call="810000", currency="EUR"), LATER, {"forecast": "south"}),
        (
            document(
                *(row | {"timePeriodId": "2026_Q3"} for row in team(3, call="600000")["entries"]),
                people=team(3, call="1")["users"],
                weeks={f"W{n:02d}": (FIRST - timedelta(days=105 - 7 * n)).date() for n in range(1, 4)},
                periods=[{"timePeriodId": "2026_Q3"}],
            ),
            LATER,
            {"quarter": "2026_Q3"},
        ),
    )
    board_of(house, folder / "written")


@pytest.fixture(scope="session")
def board(figures: House) -> Path:
    (written,) = (figures.context.settings.data_dir / "written").glob("*.html")
    return written


def choose(page: Page, **filters: str) -> None:
    for name, value in filters.items():
        page.get_by_label(name.title(), exact=True).select_option(value)


def shown(page: Page) -> dict[str, str]:
    """The headline's figures as they are read."""
    found = page.locator("article:not([hidden]) [data-figure]")
    return {one.get_attribute("data-figure") or "": " ".join(one.inner_text().split()) for one in found.all()}


def written(value: Decimal | None, currency: str) -> str:
    return "–" if value is None else f"{money(value)} {currency}"


def test_each_filter_shows_what_the_marts_hold(reader: Reader, board: Path, figures: House) -> None:
    """Quarter, forecast and field in every combination that there is: the headline is the top person's row."""
    page = reader.open(board)
    tops = figures.rows("select * from clari.forecast_vs_quota where is_top")
    assert len({tuple(top[name] for name in ("time_period_id", "forecast_id", "field_id")) for top in tops}) == 6
    for top in tops:
        choose(page, quarter=top["time_period_id"], forecast=top["forecast_id"], field=top["field_name"])
        assert page.locator("article:visible").count() == 1
        read, currency = shown(page), top["currency_code"]
        for name in ("forecast_value", "quota_value", "crm_closed"):
            assert read[name] == written(top[name], currency), (top, name)
        assert read["attainment_pct"] == ("–" if top["attainment_pct"] is None else percent(top["attainment_pct"]))
    people = figures.rows(
        "select * from clari.forecast_vs_quota where forecast_id = 'north' and time_period_id = '2026_Q4' "
        "and field_name = 'Commit'"
    )
    choose(page, quarter="2026_Q4", forecast="north", field="Commit")
    for one in people:
        row = page.locator(f"article:visible tr[data-user={one['user_id']}]")
        cells = [" ".join(cell.split()) for cell in row.locator("td").all_inner_texts()]
        assert cells[:3] == [written(one[name], "USD") for name in ("forecast_value", "quota_value", "crm_closed")]


def test_the_role_filter_leaves_that_role_and_says_so(reader: Reader, board: Path) -> None:
    """People, swings and accuracy are of the role; a screen reader hears how many; the headline stays the total.

    A list that has nobody of the role says so: an empty place under a heading tells nothing.
    """
    page = reader.open(board)
    before = shown(page)
    swings = page.locator("article:visible section", has=page.get_by_role("heading", name="Swings"))
    assert "Nobody with this role" not in swings.inner_text()
    choose(page, role="Ae-West")
    assert "Nobody with this role" in swings.inner_text()
    choose(page, role="Ae-East")
    assert "Nobody with this role" not in swings.inner_text()
    assert page.locator("article:visible tr[data-user]:visible").count() == 1
    assert {one.get_attribute("data-role") for one in page.locator("article:visible [data-role]:visible").all()} == {
        "Ae-East"
    }
    assert "1 person" in page.get_by_role("status").inner_text()
    assert shown(page) == before
    choose(page, role="All roles")
    assert page.locator("article:visible tr[data-user]:visible").count() == 3


def test_two_fields_of_one_name_are_told_apart(reader: Reader, tmp_path: Path) -> None:
    """And each can be chosen."""
    house = House(tmp_path)
    rows = [*weeks("head", 3, call="5"), *weeks("head", 3, field="second", call="7")]
    people = [person("head", role="cro", parent=None)]
    bring(house, (document(*rows, people=people, fields={"commit": "Commit", "second": "Commit"}), LATER, {}))
    page = reader.open(board_of(house, tmp_path))
    for field, call in (("Commit (commit)", "5.00 USD"), ("Commit (second)", "7.00 USD")):
        choose(page, field=field)
        assert shown(page)["forecast_value"] == call


def test_the_filters_are_reached_from_the_keyboard_and_stand_in_the_address(reader: Reader, board: Path) -> None:
    """Tab reaches them in their order, an arrow chooses.

    A link that is passed on shows the same; one that names nothing shows the current quarter.
    """
    page = reader.open(board)
    page.keyboard.press("Tab")  # past the filters, for those who want the figures
    order = []
    for _ in range(4):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id"))
    assert order == ["quarter", "forecast", "field", "role"]
    page.locator("#field").focus()
    before = page.locator("#field").input_value()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.locator("#field").input_value() != before or page.locator("#field option").count() == 1
    choose(page, forecast="south", field="Best Case")
    again = reader.open(board, address=page.url[page.url.index("#") :])
    assert shown(again) == shown(page)
    assert [again.locator(f"#{name}").input_value() for name in _SELECTS] == ["2026_Q4", "south", "Best Case"]
    lost = reader.open(board, address="#quarter=1999_Q1&role=nobody")
    assert lost.locator("#quarter").input_value() == "2026_Q4"


def test_swings_weeks_and_health_are_the_marts_rows(reader: Reader, board: Path, figures: House) -> None:
    """A swing with who and why, in the words of an alert; each week of the waterfall and of the pacing, to the cent;
    how the exports went, row by row and in one row of all.
    """
    page = reader.open(board)
    (swing,) = figures.rows("select * from clari.forecast_swing where is_swing and baseline = 'sync'")
    text = page.locator("article:visible .swings li").inner_text()
    for amount in (swing["previous_value"], swing["current_value"]):
        assert money(amount) in text
    assert f"{money(swing['change_amount'], signed=True)} USD" in text
    assert "since the last sync" in text

    where = "forecast_id = 'north' and time_period_id = '2026_Q4' and field_id = 'commit' and is_top"
    page.locator("article:visible details").evaluate_all("all => all.forEach(one => one.open = true)")

    def read(label: str) -> list[list[str]]:
        table = page.locator("article:visible").get_by_label(label, exact=True)
        return [
            [" ".join(cell.split()) for cell in row.locator("td").all_inner_texts()]
            for row in table.locator("tbody tr").all()
        ]

    moved = figures.rows(f"select * from clari.forecast_movement where {where} order by week_number desc")
    parts = ("raised_amount", "lowered_amount", "new_amount", "gone_amount", "judgement_amount")
    assert len(moved) == 2  # the first week had ended before the first export
    assert read("Movement by week") == [
        [
            written(week["start_value"], "USD"),
            *(money(week[name], signed=True) for name in parts),
            written(week["end_value"], "USD"),
        ]
        for week in moved
    ]
    paced = figures.rows(f"select * from clari.attainment_pacing where {where} order by week_number desc")
    assert [row[:3] for row in read("Pacing by week")] == [
        [
            str(week["weeks_to_end"]),
            written(week["crm_closed"], "USD"),
            "–" if week["attainment_pct"] is None else percent(week["attainment_pct"]),
        ]
        for week in paced
    ]

    health = figures.rows("from clari.pipeline_health_month")
    (overall,) = [row for row in health if row["time_period_id"] is None]
    assert overall["jobs_completed"] == 4
    assert f"{overall['jobs_completed']} merged" in page.locator("section.health").inner_text()
    rows = page.get_by_label("Exports by quarter").locator("tbody tr").all()
    read = [(row.locator("th").inner_text().split()[:2], row.locator("td").all_inner_texts()[:5]) for row in rows]
    counted = ("jobs_submitted", "jobs_completed", "jobs_refused", "jobs_failed", "jobs_timed_out")
    assert sorted(read) == sorted(
        ([row["time_period_id"], row["forecast_id"]], [str(row[name]) for name in counted])
        for row in health
        if row["time_period_id"] is not None
    )


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (820, "light"), (1360, "dark")])
def test_axe_finds_nothing(reader: Reader, board: Path, width: int, scheme: str) -> None:
    """Contrast, names, order, regions: on a telephone, a tablet and a desk, by day and by night; and no sideways
    scrolling. Markup in a name is shown as it is written, and a name of two hundred letters breaks nothing.
    """
    page = reader.open(board, width=width, scheme=scheme)
    assert SCRIPT in page.locator("article:visible tr[data-user=ann]").inner_text()
    assert LONG.strip() in page.locator("article:visible tr[data-user=bob] .name").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator("article:visible details").evaluate_all("all => all.forEach(one => one.open = true)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_on_paper_it_is_dark_on_white_and_every_figure_stands(reader: Reader, board: Path) -> None:
    """Printed from a dark screen: white paper, no filters; what is folded away is open, and folded again afterwards."""
    page = reader.open(board, scheme="dark")
    folded = page.locator("article:not([hidden]) details:not([open])")
    before = folded.count()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert (before > 0, folded.count()) == (True, 0)
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert folded.count() == before
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("form.filters").is_visible()


def test_an_empty_warehouse_says_what_to_do(reader: Reader, tmp_path: Path) -> None:
    """Before the first sync there is a page that says how to get one."""
    page = reader.open(board_of(House(tmp_path / "none"), tmp_path))
    assert "clari-pipeline sync" in page.locator("main").inner_text()
    assert Axe().run(page).violations_count == 0


def test_it_links_to_data_docs_where_they_are(reader: Reader, tmp_path: Path) -> None:
    nobody = House(tmp_path / "none")
    assert reader.open(board_of(nobody, tmp_path)).get_by_role("link", name="Data Docs").count() == 0
    site = tmp_path / "data_docs" / "index.html"
    site.parent.mkdir()
    site.write_text("<title>Checks</title>")
    page = reader.open(board_of(nobody, tmp_path))
    page.get_by_role("link", name="Data Docs").click()
    assert page.title() == "Checks"


def test_without_quota_and_without_one_top_it_says_so(reader: Reader, tmp_path: Path) -> None:
    """No attainment is made up, and calls of two people at the top are not added up."""
    house = House(tmp_path)
    rows = [*weeks("ann", 3, call="5"), *weeks("bob", 3, call="7", currency="JPY")]
    alone = document(*weeks("ann", 3, call="5"), people=[person("ann", parent=None)])
    two = document(*rows, people=[person("ann", parent=None), person("bob", parent=None)])
    bring(house, (two, LATER, {}), (alone, LATER, {"forecast": "alone"}))
    page = reader.open(board_of(house, tmp_path))
    choose(page, forecast="alone")
    assert "no quota is known" in page.locator("article:visible .headline").inner_text()
    assert shown(page)["attainment_pct"] == "–"
    choose(page, forecast="north")
    assert "CLARI_TOP_USER" in page.locator("article:visible .headline").inner_text()
    assert "7.00 JPY" in page.locator("article:visible tr[data-user=bob]").inner_text()


def test_what_was_in_another_currency_is_not_compared(reader: Reader, tmp_path: Path) -> None:
    """Ten millions of euros and eleven of dollars are no rise of one; the page stands though it has no waterfall."""
    house = House(tmp_path)
    bring(
        house, (team(2, call="500000", currency="EUR"), FIRST, {}), (team(3, call="800000", currency="USD"), LATER, {})
    )
    page = reader.open(board_of(house, tmp_path))
    headline = page.locator("article:visible .headline").inner_text()
    assert shown(page)["sync_change"] == "–"
    assert "it was in another currency" in headline
    movement = page.locator("article:visible section", has=page.get_by_role("heading", name="Movement"))
    assert "in another currency than the week before" in movement.inner_text()
    movement.locator("summary").click()
    newest = movement.locator("tbody tr").first.inner_text()
    assert ("EUR" in newest, "USD" in newest) == (True, True)


@pytest.mark.parametrize("people", [100, pytest.param(2000, marks=pytest.mark.soak)])
def test_many_people_fit_and_what_is_left_out_is_said(reader: Reader, tmp_path: Path, people: int) -> None:
    """The largest calls are shown, with how many there are; the file stays one that can be mailed."""
    house = House(tmp_path)
    names = [f"rep{number}" for number in range(people)]
    rows = [entry(name, "W01", call=str(1000 + place), closed="10") for place, name in enumerate(names)]
    listed = [person(name, role=f"ae-{place % 9}", parent="cro") for place, name in enumerate(names)]
    head = entry("head", "W01", call="9000000", closed="100")
    bring(house, (document(head, *rows, people=[person("head", role="cro", parent=None), *listed]), FIRST, {}))
    file = board_of(house, tmp_path)
    assert file.stat().st_size < MOST_BYTES
    page = reader.open(file)
    assert page.locator("article:visible tr[data-user]").count() == MOST_PEOPLE
    choose(page, role="Ae-3")
    assert f"among the {MOST_PEOPLE} largest calls of {people + 1} people" in page.get_by_role("status").inner_text()
    assert f"{MOST_PEOPLE} of {people + 1:,} people" in page.locator("article:visible").inner_text()
