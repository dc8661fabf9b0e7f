"""What an export says about the rows that it does not show: nothing, unless it could have shown them."""

from typing import Any

import pytest

from tests.helpers.house import House, document, entry, moment


def _present(house: House) -> dict[str, bool]:
    """Whether each person's commit is still shown; history and the current row agree."""
    found = house.rows("select user_id, in_latest_export from clari.forecast_entry where field_id = 'commit'")
    current = {row["user_id"]: row["in_latest_export"] for row in found}
    versions = house.rows(
        "select user_id, is_present from clari.forecast_entry_history where field_id = 'commit' and valid_to is null"
    )
    assert {row["user_id"]: row["is_present"] for row in versions} == current
    return current


def test_an_unscoped_export_could_have_shown_everybody(house: House) -> None:
    house.bring(document(entry("ann", call=1), entry("bob", call=1)), moment(10, 2))
    house.bring(document(entry("ann", call=1)), moment(10, 3))
    assert _present(house) == {"ann": True, "bob": False}


def test_a_scoped_export_says_nothing_about_people_of_other_scopes(house: House) -> None:
    house.bring(document(entry("ann", call=1), entry("bob", call=1)), moment(10, 2))
    house.bring(document(entry("ann", call=1)), moment(10, 3), scope="east")
    house.bring(document(entry("cy", call=1)), moment(10, 4), scope="west")
    assert _present(house) == {"ann": True, "bob": True, "cy": True}


def test_a_scoped_export_says_who_has_left_its_own_scope(house: House) -> None:
    """Those whom the same scope showed last."""
    house.bring(document(entry("ann", call=1), entry("bob", call=1)), moment(10, 2), scope="east")
    house.bring(document(entry("ann", call=1)), moment(10, 3), scope="east")
    assert _present(house) == {"ann": True, "bob": False}


def test_an_unscoped_export_speaks_for_every_scope(house: House) -> None:
    house.bring(document(entry("ann", call=1), entry("bob", call=1)), moment(10, 2), scope="east")
    house.bring(document(entry("ann", call=1)), moment(10, 3))
    assert _present(house) == {"ann": True, "bob": False}


def test_without_history_an_export_speaks_for_its_own_weeks(house: House) -> None:
    house.bring(document(entry("ann", "W01", call=1), entry("ann", "W02", call=1)), moment(10, 9))
    house.bring(document(entry("bob", "W02", call=1)), moment(10, 10), history=False)
    found = house.rows(
        "select time_frame_id, in_latest_export from clari.forecast_entry where user_id = 'ann' order by 1"
    )
    assert [tuple(row.values()) for row in found] == [("W01", True), ("W02", False)]


@pytest.mark.parametrize(
    ("figures", "is_present"), [({"closed": 5}, True), ({"closed": 5, "call": 1}, False), ({"call": None}, False)]
)
def test_an_export_of_some_types_speaks_for_rows_with_figures_of_those(
    house: House, figures: dict[str, Any], is_present: bool
) -> None:
    """A row whose every figure is of types that were not asked for could not have been shown."""
    house.bring(document(entry("ann", call=1), entry("bob", **figures)), moment(10, 2))
    house.bring(document(entry("ann", call=1)), moment(10, 3), types=("forecast",))
    assert _present(house)["bob"] is is_present


def test_an_export_of_one_forecast_says_nothing_about_another(house: House) -> None:
    house.bring(document(entry("ann", call=1)), moment(10, 2), forecast="north")
    house.bring(document(entry("bob", call=1)), moment(10, 3), forecast="south")
    assert _present(house) == {"ann": True, "bob": True}


def test_an_export_of_one_quarter_says_nothing_about_another(house: House) -> None:
    house.bring(document(entry("ann", call=1)), moment(10, 2))
    house.bring(document(entry("bob", call=1, period="2026_Q3")), moment(10, 3), quarter="2026_Q3")
    assert _present(house) == {"ann": True, "bob": True}


def test_a_value_that_is_no_longer_shown_stays(house: House) -> None:
    house.bring(document(entry("ann", call=1), entry("bob", call=7)), moment(10, 2))
    house.bring(document(entry("ann", call=1)), moment(10, 3))
    row = house.row("from clari.forecast_entry where user_id = 'bob'")
    assert (row["forecast_value"], row["last_seen_at"], row["changed_at"]) == (7, moment(10, 2), moment(10, 2))


def test_an_unchanged_row_has_one_version(house: House) -> None:
    for day in (2, 3, 4):
        house.bring(document(entry(call=1)), moment(10, day))
    row = house.row("from clari.forecast_entry")
    assert (row["first_seen_at"], row["changed_at"], row["last_seen_at"]) == (
        moment(10, 2),
        moment(10, 2),
        moment(10, 4),
    )
    assert house.value("select count(*) from clari.forecast_entry_history") == 1


def test_the_history_answers_as_of_any_moment(house: House) -> None:
    for day, call in ((2, 100), (4, 110), (6, 120)):
        house.bring(document(entry(call=call)), moment(10, day))
    as_of = "from clari.forecast_entry_history where valid_from <= $t and (valid_to > $t or valid_to is null)"
    answers = {day: [row["forecast_value"] for row in house.rows(as_of, t=moment(10, day))] for day in (1, 2, 3, 4, 7)}
    assert answers == {1: [], 2: [100], 3: [100], 4: [110], 7: [120]}
