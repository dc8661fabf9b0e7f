"""What is taken out of the gate, or bent in the law of swings, is noticed by some labelled history."""

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from random import Random

import duckdb
import pytest

from clari_pipeline.checks.export_gate import CHECKS
from clari_pipeline.store import marts
from clari_pipeline.warehouse import session
from tests.helpers.house import House, Outcome, document, entry, moment
from tests.helpers.labelled import deceptions, histories
from tests.helpers.labelled.examining import MergedHistories, bring, examined
from tests.helpers.labelled.histories import BOSS, History

Caught = Callable[[Path], set[str]]
Labelled = Callable[[Random], History]


def _caught(house: House, name: str, check: str) -> set[str]:
    """Bring the check's labelled case as a forecast of this name: the check, where the case was caught by it."""
    history = HISTORIES[check](Random(7)).settled()
    assert check in {broken for export in history.exports for broken in export.broken}
    try:
        findings = bring(house, {name: history}).compare()
    except duckdb.ConstraintException:  # the table itself stops it, with no verdict that says why
        house.execute(f"delete from clari.export_job where forecast_id = '{name}'")
        return set()
    return set() if any(check in missed for missed in findings.missed) else {check}


def _broken(outcome: Outcome) -> set[str]:
    return {verdict.check_name for verdict in outcome.verdicts if not verdict.passed}


def _narrowed_column(folder: Path) -> set[str]:
    """Somebody has narrowed a column by hand: cents would be lost."""
    house = House(folder)
    with house.held_open():
        house.execute("alter table clari.forecast_entry_state alter crm_closed type decimal(18, 0)")
        return _broken(house.bring(document(entry("boss", call=5, closed="10.75"), people=[BOSS]), moment(10, 20)))


def _row_from_nowhere(folder: Path) -> set[str]:
    """A row claims to come from an export that does not hold it, and nothing knows what the last merge left."""
    house = House(folder)
    with house.held_open():
        house.bring(document(entry("boss", call=1), people=[BOSS]), moment(10, 19))
        house.execute("delete from clari.merged_total")
        house.execute(
            "insert into clari.forecast_entry_state by name select * replace "
            "('W05' as time_frame_id, 'job-north-2026_Q4-2' as job_id, timestamptz '2026-10-20 06:00Z' as exported_at) "
            "from clari.forecast_entry_state"
        )
        return _broken(house.bring(document(entry("boss", call=2), people=[BOSS]), moment(10, 20), history=False))


def _amount_written_over(folder: Path) -> set[str]:
    """Somebody has raised a call by hand: the next export, of the same document, finds the tables unlike."""
    house = House(folder)
    with house.held_open():
        house.bring(document(entry("boss", call=1), people=[BOSS]), moment(10, 19))
        house.execute("update clari.forecast_entry_state set forecast_value = forecast_value * 10")
        return _broken(house.bring(document(entry("boss", call=1), people=[BOSS]), moment(10, 20)))


def _quarter_never_loaded(folder: Path) -> set[str]:
    house = House(folder, historical_periods=1)
    with house.held_open():
        outcome = house.bring(document(entry("boss", call=1), people=[BOSS]), moment(10, 20))
        house.refresh_marts()
        return _broken(house.outcome(outcome.export.request_id))


def _movement_written_over(folder: Path) -> set[str]:
    house = House(folder)
    with house.held_open():
        house.bring(document(entry("boss", call=1), people=[BOSS]), moment(10, 6))
        house.bring(document(entry("boss", call=2), people=[BOSS]), moment(10, 13))
        house.refresh_marts()
        house.execute("update clari.forecast_movement set raised_amount = 1")
        house.bring(document(entry("boss", call=3), people=[BOSS]), moment(10, 14))
        house.refresh_marts()
        return _broken(house.outcome("request-north-2026_Q4-3"))


def _field_of_another_name(folder: Path) -> set[str]:
    house = House(folder)
    header = "User,Email,CRM User ID,Role,Parent Role,Timeframe,Field,Week,Start Day,End Day,Data Type,Data Value"
    line = f"Boss,{BOSS['email']},,CRO,,Q4 FY 2026,Sure Thing,4,10/22/2026,10/28/2026,Forecast Value,$1.00"
    with house.held_open():
        house.bring(document(entry("boss", "W04", call=1), people=[BOSS]), moment(10, 23))
        return _broken(house.bring(f"{header}\n{line}\n".encode(), moment(10, 24)))


def _pair_of(*kinds: str) -> Callable[[Random], History]:
    return lambda chance: histories.pair(chance, cycle(kinds))


HISTORIES: dict[str, Labelled] = {
    **{
        deceive(Random(0))[0]: lambda chance, deceive=deceive: deceptions.refused(chance, deceive)
        for deceive in deceptions.DECEPTIONS
    },
    "row_count_is_stable": lambda chance: deceptions.rows_lost(chance, more=1),
    "currency_is_stable": deceptions.currency_of_rows,
    "contract_is_stable": deceptions.new_key,
    "amounts_are_exact": lambda chance: deceptions.long_tail(chance, decimals=chance.randint(5, 16)),
    "people_are_distinct": lambda chance: deceptions.shared_person(chance, is_shared=True),
    "fields_are_distinct": lambda chance: deceptions.spelt_twice(chance, is_alike=True),
    "weeks_touch_their_period": deceptions.week_astray,
    "quota_field_is_unambiguous": lambda chance: deceptions.quotas(chance, second="Stretch"),
    "totals_have_one_top": lambda chance: deceptions.tops(chance, number=2),
    "forecast_swings_within_threshold": _pair_of("doubled"),
}
# What needs a warehouse of its own: somebody has had a hand in it, or it is of two formats.
TAMPERED: dict[str, Caught] = {
    "control_totals_reconcile": _narrowed_column,
    "row_counts_reconcile": _row_from_nowhere,
    "tables_reconcile": _amount_written_over,
    "periods_are_covered": _quarter_never_loaded,
    "ids_are_recognised": _field_of_another_name,
    "forecast_movement_adds_up": _movement_written_over,
}


def test_every_check_has_a_case() -> None:
    assert HISTORIES.keys() | TAMPERED.keys() == set(CHECKS)
    assert not HISTORIES.keys() & TAMPERED.keys()


def test_a_check_that_is_taken_out_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each labelled case is caught with its check, and by no other check in its place without it."""
    house = House(tmp_path)
    uncaught, unmissed = [], []
    with house.held_open():
        for check in HISTORIES:
            if check not in _caught(house, f"{check}-whole", check):
                uncaught.append(check)
            with monkeypatch.context() as without:
                without.delitem(CHECKS, check)
                if check in _caught(house, f"{check}-without", check):
                    unmissed.append(check)
    assert (uncaught, unmissed) == ([], [])


@pytest.mark.parametrize("check", TAMPERED)
def test_a_check_of_what_was_tampered_with_is_missed(
    check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, in a warehouse of its own."""
    for folder in ("whole", "without"):
        (tmp_path / folder).mkdir()
    assert check in TAMPERED[check](tmp_path / "whole")
    monkeypatch.delitem(CHECKS, check)
    assert check not in TAMPERED[check](tmp_path / "without")


def _with_fate(fate: str) -> Callable[[Random], History]:
    """Pairs until somebody in one has met this fate."""

    def make(chance: Random) -> History:
        while True:
            history = histories.pair(chance, cycle(("doubled", "unchanged", "+19.99 %")))
            if any(label.kind.startswith(fate) for label in history.labels.values()):
                return history

    return make


# One history for all mutants that it serves: to bring one takes longer than to compare its calls anew.
_CALLS = _pair_of(
    "exactly +20 %",
    "exactly -20 %",
    "negative, a little",
    "-20.01 %",
    "sign flip",
    "from zero",
    "to zero",
    "a submission taken back",
    "not submitted, the week before edited",
)
_SWING = "marts/forecast_swing"
_MASS = "quality/mass_changes"
# What is bent: statement, fragment, what stands there instead, and the histories that must notice.
MUTATIONS: dict[str, tuple[str, str, str, Labelled]] = {
    "a fifth is a swing": (
        _SWING,
        "> cast(abs(previous_value) as decimal(28, 4)) * threshold",
        ">= cast(abs(previous_value) as decimal(28, 4)) * threshold",
        _CALLS,
    ),
    "a threshold in binary fractions": (
        _SWING,
        "> cast(abs(previous_value) as decimal(28, 4)) * threshold",
        "> cast(abs(previous_value) as double) * 0.1999999999",
        _CALLS,
    ),
    "negative calls are measured with their sign": (
        _SWING,
        "cast(abs(previous_value) as decimal(28, 4)) * threshold",
        "cast(previous_value as decimal(28, 4)) * threshold",
        _CALLS,
    ),
    "only rises count": (
        _SWING,
        "abs(change_amount) > cast",
        "change_amount > cast",
        _CALLS,
    ),
    "no sign flips": (
        _SWING,
        "when sign(previous_value) * sign(current_value) < 0 then 'sign_flip'",
        "",
        _CALLS,
    ),
    "from zero is none": (_SWING, "reason in ('from_zero', ", "reason in (", _CALLS),
    "to zero is none": (_SWING, "'to_zero', 'sign_flip', 'above", "'sign_flip', 'above", _CALLS),
    "what is not submitted is a call": (
        _SWING,
        " or not is_submitted then",
        " then",
        _CALLS,
    ),
    "a new person is nothing special": (_SWING, "when is_new then 'new'", "", _with_fate("joins")),
    "a person who left is nothing special": (_SWING, "when is_gone then 'disappeared'", "", _with_fate("leaves")),
    "currencies are not looked at": (
        _SWING,
        "when coalesce(has_other_currency, false) then 'currency_changed'",
        "",
        deceptions.currency_of_rows,
    ),
    "another scope is no matter": (
        _SWING,
        "now.scope_id is distinct from before.scope_id",
        "false",
        lambda chance: histories.excused(chance, "scope"),
    ),
    "another currency asked for is no matter": (
        _SWING,
        "or now.currency is distinct from before.currency",
        "",
        lambda chance: histories.excused(chance, "currency"),
    ),
    "other types are no matter": (
        _SWING,
        "then now.types_to_export is distinct from before.types_to_export",
        "then false",
        lambda chance: histories.excused(chance, "types"),
    ),
    "a restated quarter swings": (
        _SWING,
        "coalesce(quarter.end_date, $quarter_end) + 3",
        "coalesce(quarter.end_date, $quarter_end) + 400",
        lambda chance: histories.excused(chance, "restated"),
    ),
    "a quarter is restated as soon as it has ended": (
        _SWING,
        "coalesce(quarter.end_date, $quarter_end) + 3",
        "coalesce(quarter.end_date, $quarter_end) + 0",
        histories.just_not_restated,
    ),
    "one person under two ids is two": (
        _SWING,
        "before.crm_user_id <> ''",
        "before.crm_user_id = ''",
        _with_fate("gets a new id"),
    ),
    "a week has eight days": ("marts/swing_pairs", "interval 156 hours", "interval 8 days", histories.slow),
    "a week has six days": ("marts/swing_pairs", "interval 156 hours", "interval 1 days", histories.slow),
    "the eldest export is the baseline": (
        "marts/swing_pairs",
        "order by before.exported_at desc",
        "order by before.exported_at",
        histories.slow,
    ),
    "30 % is a mass": (
        _MASS,
        "counted.swung * 10 > counted",
        "counted.swung * 10 >= counted",
        lambda chance: deceptions.many_move(chance, people=10, swinging=3),
    ),
    "nine are a mass": (
        _MASS,
        "counted.compared >= 10 and",
        "counted.compared >= 9 and",
        lambda chance: deceptions.many_move(chance, people=9, swinging=9),
    ),
    "nine move alike": (
        _MASS,
        "people >= 10",
        "people >= 9",
        lambda chance: deceptions.rate_moves(chance, alike=9),
    ),
    "rates are not looked for": (
        _MASS,
        "or alike.people >= 10",
        "",
        lambda chance: deceptions.rate_moves(chance, alike=10),
    ),
    "nearly the same is the same": (
        _MASS,
        "0.000005",
        "0.05",
        deceptions.rates_differ,
    ),
}


EXAMPLES: dict[Labelled, str] = {}
"""The forecast that each history is merged_histories as."""
for _, _, _, _example in MUTATIONS.values():
    EXAMPLES.setdefault(_example, f"h{len(EXAMPLES) + 1:04d}")


def _compare_anew(house: House, merged_histories: MergedHistories, forecast: str) -> None:
    """Forget the comparisons of a forecast, and compare its calls once more, by the law as it is now."""
    for table in ("forecast_swing_contribution", "forecast_swing_summary", "forecast_swing"):
        house.execute(f"delete from clari.{table} where job_id like 'job-{forecast}-%'")
    with house.context.warehouse.session() as session:
        for quarter in sorted({export.quarter for export in merged_histories.histories[forecast].exports}):
            marts.compare_calls(session, forecast, quarter, house.context.rules)


@pytest.mark.long
def test_a_bent_law_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that the law tells rightly is missed, misworded, or a false alarm once its calls are compared anew.

    Compared anew by the law as it stands, every history is told rightly: what is noticed is the mutant's alone.
    """
    text_of = session.text_of
    living = []
    with examined([make(Random(11)).settled() for make in EXAMPLES], tmp_path) as (house, merged_histories):
        for name in EXAMPLES.values():
            _compare_anew(house, merged_histories, name)
        sound = merged_histories.compare()
        assert (sound.missed, sound.false_alarms, sound.misworded) == ([], [], [])
        for name, (bent, fragment, instead, example) in MUTATIONS.items():
            assert fragment in text_of(bent), name

            def bend(statement: str, bent: str = bent, fragment: str = fragment, instead: str = instead) -> str:
                text = text_of(statement)
                return text.replace(fragment, instead) if statement == bent else text

            with monkeypatch.context() as patch:
                patch.setattr(session, "text_of", bend)
                if bent != _MASS:
                    _compare_anew(house, merged_histories, EXAMPLES[example])
                if merged_histories.is_right(EXAMPLES[example]):
                    living.append(name)
    assert living == []
