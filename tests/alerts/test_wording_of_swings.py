"""From documents to the words that people read: who changed a call, whose calls explain it, what a rate stands for."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clari_pipeline.alerts.raising import Alerts
from clari_pipeline.alerts.sending import Outbox
from tests.helpers.house import House, Json, document, entry, moment, person
from tests.helpers.listeners import WebListener, address

MessageOf = Callable[..., dict[str, Any]]
RATE = Decimal("1.0837")


@pytest.fixture
def message_of(tmp_path: Path, web: Callable[..., WebListener]) -> MessageOf:
    """Brings two exports, a day apart, and gives the one message that people get of the second."""

    def compare(before: Json, after: Json, **settings: Any) -> dict[str, Any]:
        listener = web("accepts")
        house = House(tmp_path, now=moment(10, 4), alert_urls=SecretStr(address(listener)), **settings)
        with house.held_open():
            house.bring(before, moment(10, 2))
            house.bring(after, moment(10, 3))
            Alerts(house.context).raise_alerts(run_id="run")
            Outbox(house.context).send()
        (message,) = listener.documents
        return message

    return compare


def at(when: datetime) -> int:
    """A moment as Clari writes it."""
    return int(when.timestamp() * 1000)


def written(who: str, call: int, by: str, when: datetime) -> dict[str, Any]:
    return entry(who, call=call) | {"updatedBy": by, "updatedOn": at(when)}


def overridden(call: int, by: str, when: datetime) -> dict[str, Any]:
    return {"adjustmentValue": call, "adjustedBy": by, "adjustedOn": at(when)}


def explanation(message: dict[str, Any], who: str) -> str:
    """The paragraph of that person."""
    (found,) = [part for part in message["message"].split("\n\n") if part.startswith(who)]
    return str(found)


PEOPLE = [person("boss", parent=None), *(person(who, parent="role-boss") for who in ("ann", "bob"))]


def test_an_override_is_changed_by_whoever_overrode(message_of: MessageOf) -> None:
    """Not by the one who had submitted the call two days before. Who took an override back is not guessed: the call
    that stands again was written days before it changed anything.
    """
    ann, bob = (written(who, 100, who, moment(10, 1)) for who in ("ann", "bob"))
    before = document(ann, bob | overridden(50, "boss", moment(10, 1, 9)), people=PEOPLE)
    after = document(ann | overridden(50, "boss", moment(10, 3, 5)), bob, people=PEOPLE)
    message = message_of(before, after, call="adjusted")
    assert "Changed by Boss, 2026-10-03 05:00 UTC" in explanation(message, "Ann")
    details = {alert["detail"]["user_id"]: alert["detail"] for alert in message["alerts"]}
    assert (details["ann"]["changed_by"], details["ann"]["current_value"]) == ("Boss", "50.0000")
    assert "50.00 → 100.00" in explanation(message, "Bob")
    assert "hanged by" not in explanation(message, "Bob")


def test_a_resubmitted_call_is_changed_by_whoever_submitted_it(message_of: MessageOf) -> None:
    """Whatever the override is, where overrides are no calls."""
    before = written("ann", 100, "ann", moment(10, 1))
    after = written("ann", 30, "ann", moment(10, 3, 2)) | overridden(50, "boss", moment(10, 3, 5))
    message = message_of(document(before, people=PEOPLE), document(after, people=PEOPLE))
    assert "Changed by Ann, 2026-10-03 02:00 UTC" in message["message"]


def team(mark: str, *, heads: Iterable[str] = ("mo",), reports: Iterable[str] = ("ann", "bob")) -> list[Json]:
    """People whose names begin with the mark: heads that share one role, below nobody else's, and their reports."""
    role = f"role-vp {mark}"
    return [
        person(f"{mark} boss", parent=None),
        *(person(f"{mark} {who}", role=role, parent=f"role-{mark} boss") for who in heads),
        *(person(f"{mark} {who}", parent=role) for who in reports),
    ]


def calls(mark: str, *, euros: Iterable[str] = (), **amounts: int | None) -> list[Json]:
    return [
        entry(f"{mark} {who}", call=amount, currency="EUR" if who in euros else "USD", submitted=amount is not None)
        for who, amount in amounts.items()
    ]


def test_what_a_managers_reports_explain_is_said_in_words(message_of: MessageOf) -> None:
    """Four teams, each a company of its own; so few calls that their swings are no mass change."""
    two_heads = [one for mark in ("shared", "idle") for one in team(mark, heads=("mo", "max"), reports=("ann",))]
    before = document(
        *calls("shared", mo=200, max=200, ann=100),
        *calls("idle", mo=200, max=None, ann=100),
        *calls("euro", mo=200, ann=100, bob=50, euros=["bob"]),
        *calls("new", mo=200),
        people=[*two_heads, *team("euro"), *team("new", reports=())],
    )
    after = document(
        *calls("shared", mo=300, max=300, ann=180),
        *calls("idle", mo=300, max=None, ann=180),
        *calls("euro", mo=300, ann=160, bob=90, euros=["bob"]),
        *calls("new", mo=300, ann=60, bob=30),
        people=[*two_heads, *team("euro"), *team("new")],
    )
    message = message_of(before, after)
    # Both heads moved: nobody knows whose ann is, and her 80 must not explain 160.
    for who in ("Shared Mo", "Shared Max"):
        assert (
            "The reports' calls cannot be added up; the +100.00 is the manager's own judgement, or comes from the "
            "reports that are not included. Not included, because somebody else has the same role: Shared Ann +80.00."
        ) in explanation(message, who)
    # Who has no call, as an integration user beside the head, which Clari recommends, is no second head.
    assert "The reports' calls account for +80.00 of it (largest: Idle Ann +80.00); the other +20.00" in explanation(
        message, "Idle Mo"
    )
    # Euros are not dollars: bob's 40 stand beside the sum.
    words = explanation(message, "Euro Mo")
    assert "The reports' calls account for +60.00 of it (largest: Euro Ann +60.00); the other +40.00" in words
    assert "in another currency: Euro Bob +40.00 EUR." in words
    # None of a new team was there before: all of the change is joiners and judgement.
    assert "people who joined +90.00; the other +10.00 is the manager's own judgement" in explanation(message, "New Mo")


def revalued(*, moves: dict[str, tuple[int, int]]) -> tuple[Json, Json]:
    """Twelve calls that an exchange rate moves, among forty that stand; and those who move by themselves."""
    names = [f"rep{number:02}" for number in range(1, 41)]
    before = {who: Decimal(123456 + 1001 * number) / 10 for number, who in enumerate(names)}
    after = before | {who: (before[who] * RATE).quantize(Decimal("0.01"), ROUND_HALF_UP) for who in names[:12]}
    for who, (was, is_now) in moves.items():
        before[who], after[who] = Decimal(was), Decimal(is_now)
    people = [person("boss", parent=None), *(person(who, parent="role-boss") for who in names)]
    first, second = (
        document(*(entry(who, call=str(call)) for who, call in of.items()), people=people) for of in (before, after)
    )
    return first, second


def test_swings_that_an_exchange_rate_does_not_explain_have_their_own_line(
    message_of: MessageOf,
) -> None:
    message = message_of(*revalued(moves={"rep40": (900_000, 100_000)}))
    assert "12 of 40 people moved since the last sync by the same ratio, 1.0837." in message["message"]
    assert message["title"].endswith("; 1 mass change, 1 swing")
    assert "Rep40 (Role Of Rep40), Commit, 2026_Q4\n  900,000.00 → 100,000.00 USD" in message["message"]


def test_the_swings_that_a_rate_makes_need_no_lines(message_of: MessageOf) -> None:
    """More than a third of all swing by it, and the one who moved against it is seen."""
    message = message_of(*revalued(moves={"rep40": (900_000, 100_000)}), swing_threshold=Decimal("0.05"))
    assert message["title"].endswith("; 1 mass change, 1 swing")
    assert "Rep40 (" in message["message"]
    assert "Rep12 (" not in message["message"]
    largest = next(alert for alert in message["alerts"] if alert["kind"] == "mass_change")["detail"]["largest"]
    assert {one["user_id"] for one in largest} <= {f"rep{number:02}" for number in range(1, 13)}


def test_where_the_others_swing_as_a_whole_too_one_line_stands_for_all(
    message_of: MessageOf,
) -> None:
    moves = {f"rep{number}": (1000 * number, 2000 * number + 77 * number**2) for number in range(20, 32)}
    message = message_of(*revalued(moves=moves))
    assert message["title"].endswith("; 1 mass change")
    assert "by the same ratio, 1.0837, and 12 others by more than the threshold." in message["message"]


def test_a_swing_on_the_week_is_alerted_once_until_the_call_moves_on(
    tmp_path: Path, web: Callable[..., WebListener]
) -> None:
    """It stays a swing for days, in export after export; when the call goes back, people hear again."""
    listener = web("accepts")
    house = House(tmp_path, now=moment(10, 13), alert_urls=SecretStr(address(listener)))
    calm, swung = (
        document(*(entry(week=week, call=call, submitted=True) for week in ("W01", "W02")), people=PEOPLE)
        for call in (100, 50)
    )
    on_the_week = "select count(*) from clari.forecast_swing where is_swing and baseline = 'week'"
    seen = []
    with house.held_open():
        house.bring(calm, moment(10, 2))
        for content, at in ((swung, moment(10, 10)), (swung, moment(10, 11)), (calm, moment(10, 12))):
            house.bring(content, at)
            Alerts(house.context).raise_alerts(run_id=f"run of {at}")
            Outbox(house.context).send()
            house.execute("update clari.alert set created_at = created_at - interval 2 day")
            seen.append((len(listener.received), house.value(on_the_week)))
    assert seen == [(1, 1), (1, 2), (2, 2)]  # messages, and exports in which it is a swing
    assert all("swing" in found["title"] for found in listener.documents)
