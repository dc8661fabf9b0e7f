"""Who stood where, and when: people change teams, and last year's figures belong to last year's team."""

from tests.helpers.house import House, document, entry, moment, person


def _shown(house: House, day: int, role: str, *, second: int = 0, who: str = "ann", **request: str) -> None:
    submitted = moment(10, day, 1).replace(second=second)
    content = document(entry(who, call=1), people=[person(who, role=role)])
    house.bring(content, moment(10, day), submitted=submitted, **request)


def _roles(house: House) -> list[tuple[object, ...]]:
    found = house.rows(
        "select role_name, valid_from, valid_to from clari.forecast_user_history "
        "where user_id = 'ann' order by valid_from"
    )
    return [tuple(row.values()) for row in found]


def test_a_change_of_team_is_a_version(house: House) -> None:
    for day, role in ((2, "east"), (3, "east"), (4, "west")):
        _shown(house, day, role)
    assert _roles(house) == [("East", moment(10, 2), moment(10, 4)), ("West", moment(10, 4), None)]
    assert house.value("select role_name from clari.forecast_user") == "West"


def test_a_team_that_arrives_late_takes_its_place(house: House) -> None:
    for day, role in ((4, "west"), (2, "east"), (3, "north")):
        _shown(house, day, role)
    assert [role for role, *_ in _roles(house)] == ["East", "North", "West"]


def test_of_two_exports_of_one_moment_the_later_submitted_says_the_team(house: House) -> None:
    """And the next export that says the same opens no version."""
    _shown(house, 2, "east")
    _shown(house, 3, "east", second=1)
    _shown(house, 3, "west", second=2)
    _shown(house, 4, "west")
    assert _roles(house) == [("East", moment(10, 2), moment(10, 3)), ("West", moment(10, 3), None)]


def test_of_two_exports_of_one_moment_the_later_submitted_says_who_is_there(house: House) -> None:
    """People and their entries agree on whether they are still shown."""
    _shown(house, 2, "east", second=1)
    _shown(house, 2, "east", second=2, who="bob")
    for table in ("forecast_user", "forecast_entry"):
        found = house.rows(f"select user_id, in_latest_export from clari.{table} order by user_id")
        assert [tuple(row.values()) for row in found] == [("ann", False), ("bob", True)]


def test_of_two_exports_of_one_moment_the_later_submitted_says_who_is_at_the_top(house: House) -> None:
    """Whom it does not show stands beside nobody there, though without history it says nothing of rows before."""
    for second, shown in ((1, ("ann", "bob")), (2, ("ann",))):
        entries = [entry(who, call=1) for who in shown]
        content = document(*entries, people=[person(who, parent=None) for who in shown])
        house.bring(content, moment(10, 2), submitted=moment(10, 2, 1).replace(second=second), history=False)
    found = house.rows("select user_id, is_top, in_latest_export from clari.forecast_vs_quota order by user_id")
    assert [tuple(row.values()) for row in found] == [("ann", True, True), ("bob", False, False)]


def test_an_older_quarters_export_does_not_say_who_has_left(house: House) -> None:
    """Past quarters are exported less and less: the newest quarter alone says who is there."""
    _shown(house, 2, "east")
    content = document(entry("bob", call=1, period="2026_Q3"))
    house.bring(content, moment(10, 3), quarter="2026_Q3")
    found = house.rows("select user_id, in_latest_export from clari.forecast_user order by user_id")
    assert [tuple(row.values()) for row in found] == [("ann", True), ("bob", False)]


def test_an_older_quarters_export_does_not_move_people_back(house: House) -> None:
    """Each sync exports past quarters too, seconds after the current one, and those tell of last quarter's teams."""
    for day in (2, 3):
        _shown(house, day, "west")
        content = document(entry("ann", call=1, period="2026_Q3"), people=[person("ann", role="east")])
        house.bring(content, moment(10, day, 13), quarter="2026_Q3")
    assert _roles(house) == [("West", moment(10, 2), None)]
    (ann,) = house.rows("select role_name, last_seen_at from clari.forecast_user")
    assert ann == {"role_name": "West", "last_seen_at": moment(10, 3, 13)}


def test_people_of_one_forecast_are_not_those_of_another(house: House) -> None:
    _shown(house, 2, "east", forecast="north")
    _shown(house, 3, "west", forecast="south")
    found = house.rows("select forecast_id, role_name from clari.forecast_user order by forecast_id")
    assert [tuple(row.values()) for row in found] == [("north", "East"), ("south", "West")]
