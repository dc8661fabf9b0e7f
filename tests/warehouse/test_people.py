"""Who stood where, and when: people change teams, and last year's figures belong to last year's team."""

from tests.helpers.forecast import Forecast
from tests.helpers.house import House, document, entry, moment, person


def _shown(forecast: Forecast, day: int, role: str, *, second: int = 0, who: str = "ann") -> None:
    submitted = moment(10, day, 1).replace(second=second)
    content = document(entry(who, call=1), people=[person(who, role=role)])
    forecast.bring(content, moment(10, day), submitted=submitted)


def _roles(forecast: Forecast) -> list[tuple[object, ...]]:
    versions = forecast.by("valid_from", "forecast_user_history", "role_name", "valid_from", "valid_to", user_id="ann")
    return [versions[at] for at in sorted(versions)]


def test_a_change_of_team_is_a_version_and_one_that_arrives_late_takes_its_place(house: House) -> None:
    """Each forecast has people of its own."""
    forecast, other = Forecast(house, "north"), Forecast(house, "south")
    _shown(other, 2, "south")
    for day, role in ((2, "east"), (3, "east"), (6, "west")):
        _shown(forecast, day, role)
    assert _roles(forecast) == [("East", moment(10, 2), moment(10, 6)), ("West", moment(10, 6), None)]
    _shown(forecast, 5, "north")
    assert [role for role, *_ in _roles(forecast)] == ["East", "North", "West"]
    assert forecast.row("forecast_user")["role_name"] == "West"
    assert _roles(other) == [("South", moment(10, 2), None)]


def test_of_two_exports_of_one_moment_the_later_submitted_counts(house: House) -> None:
    """It says who is there and in which team; people and entries agree. The next that says the same is no version."""
    forecast = Forecast(house, "north")
    _shown(forecast, 2, "east")
    _shown(forecast, 3, "east", second=1)
    _shown(forecast, 3, "west", second=2)
    _shown(forecast, 4, "west")
    assert _roles(forecast) == [("East", moment(10, 2), moment(10, 3)), ("West", moment(10, 3), None)]
    _shown(forecast, 4, "rest", second=1, who="bob")
    for table in ("forecast_user", "forecast_entry"):
        assert forecast.by("user_id", table, "in_latest_export") == {"ann": False, "bob": True}


def test_of_two_exports_of_one_moment_the_later_submitted_says_who_is_at_the_top(forecast: Forecast) -> None:
    """Whom it does not show stands beside nobody there, though without history it says nothing of rows before."""
    for second, shown in ((1, ("ann", "bob")), (2, ("ann",))):
        entries = [entry(who, call=1) for who in shown]
        content = document(*entries, people=[person(who, parent=None) for who in shown])
        forecast.bring(content, moment(10, 2), submitted=moment(10, 2, 1).replace(second=second), history=False)
    found = forecast.by("user_id", "forecast_vs_quota", "is_top", "in_latest_export")
    assert found == {"ann": (True, True), "bob": (False, False)}


def test_an_older_quarters_export_moves_nobody_and_says_of_nobody_that_they_left(forecast: Forecast) -> None:
    """Each sync exports past quarters too, seconds after the current one, and ever less of them."""
    people = {"ann": person("ann", role="east"), "bob": person("bob")}
    for day, shown in ((2, ("ann", "bob")), (3, ("bob",))):
        _shown(forecast, day, "west")
        entries = [entry(who, call=1, period="2026_Q3") for who in shown]
        content = document(*entries, people=[people[who] for who in shown])
        forecast.bring(content, moment(10, day, 13), quarter="2026_Q3")
    assert _roles(forecast) == [("West", moment(10, 2), None)]
    found = forecast.by("user_id", "forecast_user", "role_name", "last_seen_at", "in_latest_export")
    assert found == {"ann": ("West", moment(10, 3), True), "bob": ("Role Of Bob", moment(10, 3, 13), False)}
