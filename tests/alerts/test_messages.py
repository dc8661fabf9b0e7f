"""What people read: subjects that say it all, lines that name who, what, from, to, and nothing lost for machines."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from clari_pipeline.notify import Alert, Headline, Message, compose
from clari_pipeline.notify.rendering import compact, money, percent, slack_markdown
from tests.helpers.alert_examples import (
    HEADLINES,
    RUN,
    alert,
    failures,
    headline,
    look,
    manager,
    mass_change,
    nowhere,
    swing,
    swings,
)


def one(*alerts: Alert, headlines: dict[tuple[str, str], Headline] | None = None) -> Message:
    """The single message that these alerts make."""
    (message,) = compose(alerts, HEADLINES if headlines is None else headlines, where_to_look=look)
    return message


def visible(page: str) -> str:
    """What a mail reader shows of a page, on one line."""
    seen: list[str] = []
    parser = HTMLParser()
    parser.handle_data = seen.append  # type: ignore[method-assign]
    parser.feed(page)
    return re.sub(r"\s+", " ", " ".join(seen)).strip()


def test_the_text_of_a_run() -> None:
    """A manager, someone from zero, and who came and went."""
    message = one(manager(), swing("Femi Ade", "0", "60000", reason="from_zero", change_pct=None))
    assert message.subject == "[P3] Q4 Commit 12.4M, −0.6M on the week, 92 % of quota, 5 weeks left; 2 swings"
    assert message.text == (
        "total_new, 2026_Q4\n"
        "\n"
        "Dana Scott (VP Sales, EMEA), Commit, 2026_Q4\n"
        "  13,000,000.00 → 12,400,000.00 EUR, −600,000.00 (−4.6 %) on the week\n"
        "  Changed by Dana Scott, 2026-11-23 16:41 UTC; closed 3,200,000.00 of 13,500,000.00 quota; "
        "gap 10,300,000.00.\n"
        "  The reports' calls account for −420,000.00 of it (largest: Ana Ruiz −300,000.00, Bo Chen −180,000.00, "
        "Femi Ade +60,000.00), people who joined +30,000.00, people who left −60,000.00; "
        "the other −150,000.00 is the manager's own judgement.\n"
        "\n"
        "Femi Ade (AE, EMEA), Commit, 2026_Q4\n"
        "  0.00 → 60,000.00 EUR, +60,000.00 (up from zero) on the week\n"
        "  Changed by Femi Ade, 2026-11-23 16:41 UTC; closed 310,000.00 of 900,000.00 quota; gap 590,000.00.\n"
        "\n"
        "New: Priya Nair\n"
        "Gone: Tom Berg, Léa Dubois\n"
        "Figures of 2026-11-24 06:00 UTC, compared with 2026-11-17 06:00 UTC.\n"
        "\n"
        "Where to look:\n"
        "  clari-pipeline board --open\n"
        "  https://bi.example.com/forecast?team=emea&week=5\n"
        "  clari.forecast_swing\n"
        "  docs/runbook.md#forecast_swing\n"
    )


def test_the_markdown_of_a_run() -> None:
    assert one(swing("Ana Ruiz", "1280500.50", "980500.50")).markdown == (
        "**total_new**, `2026_Q4`\n"
        "\n"
        "- **Ana Ruiz** (AE, EMEA), Commit, `2026_Q4`: 1,280,500.50 → 980,500.50 EUR, **−300,000.00** (−23.4 %) "
        "on the week.\n"
        "  Changed by Ana Ruiz, 2026-11-23 16:41 UTC; closed 310,000.00 of 900,000.00 quota; gap 590,000.00.\n"
        "\n"
        "New: Priya Nair.\n"
        "Gone: Tom Berg, Léa Dubois.\n"
        "Figures of 2026-11-24 06:00 UTC, compared with 2026-11-17 06:00 UTC.\n"
        "\n"
        "Where to look:\n"
        "- clari-pipeline board --open\n"
        "- https://bi.example.com/forecast?team=emea&week=5\n"
        "- clari.forecast_swing\n"
        "- docs/runbook.md#forecast_swing\n"
    )


def test_slack_reads_its_own_bold() -> None:
    told = slack_markdown(one(swing("*Ana* Ruiz", "1280500.50", "980500.50")).markdown)
    assert (
        "- *∗Ana∗ Ruiz* (AE, EMEA), Commit, `2026_Q4`: 1,280,500.50 → 980,500.50 EUR, *−300,000.00* (−23.4 %)" in told
    )
    assert "**" not in told


def test_the_page_of_a_run() -> None:
    page = one(manager()).html
    assert visible(page) == (
        "[P3] Q4 Commit 12.4M, −0.6M on the week, 92 % of quota, 5 weeks left; 1 swing "
        "total_new, 2026_Q4 From To Change "
        "Dana Scott VP Sales, EMEA · Commit · 2026_Q4 13,000,000.00 12,400,000.00 EUR −600,000.00 −4.6 % "
        "Change on the week; changed by Dana Scott, 2026-11-23 16:41 UTC; closed 3,200,000.00 of 13,500,000.00 quota; "
        "gap 10,300,000.00. The reports' calls account for −420,000.00 of it (largest: Ana Ruiz −300,000.00, "
        "Bo Chen −180,000.00, Femi Ade +60,000.00), people who joined +30,000.00, people who left −60,000.00; "
        "the other −150,000.00 is the manager's own judgement. "
        "New: Priya Nair Gone: Tom Berg, Léa Dubois "
        "Figures of 2026-11-24 06:00 UTC, compared with 2026-11-17 06:00 UTC. "
        "Where to look clari-pipeline board --open https://bi.example.com/forecast?team=emea&week=5 "
        "clari.forecast_swing docs/runbook.md#forecast_swing"
    )
    assert '<a href="https://bi.example.com/forecast?team=emea&amp;week=5"' in page


def test_other_kinds_come_one_message_a_kind_the_worst_first() -> None:
    messages = compose([*swings(), *failures()], HEADLINES, where_to_look=look)
    assert [message.subject for message in messages] == [
        "[P1] Clari refused the API key: total_new 2026_Q4",
        "[P2] Few exports left at Clari",
        "[P2] 2 exports refused: total_new 2026_Q4, renewals 2026_Q3",
        "[P3] Q4 Commit 12.4M, −0.6M on the week, 92 % of quota, 5 weeks left; 6 swings, 1 more in total_new 2026_Q3",
    ]
    refused = messages[2]
    assert refused.text.startswith(
        "[P2] Export kept out of the tables: entry_keys_are_complete\n"
        "  forecast total_new, quarter 2026_Q4, job job-7781\n"
        "  12 of 4,310 entries have no user.\n"
        "  The tables still show the export of 2026-11-23 06:00 UTC.\n"
        "\n"
        "[P2] Export kept out of the tables: control_totals_reconcile\n"
        "  forecast renewals, quarter 2026_Q3, job job-7782\n"
    )
    assert refused.markdown.startswith(
        "- **Export kept out of the tables: entry_keys_are_complete**, forecast total_new, `2026_Q4`, "
        "job job-7781 (P2)\n"
    )
    assert len(refused.alert_keys) == 2


@pytest.mark.parametrize(
    "kind",
    ["forecast_swing", "mass_change", "export_refused", "export_failed", "run_failed", "freshness", "quota_low", "new"],
)
def test_every_alert_names_its_forecast_and_quarter(kind: str) -> None:
    where = {"forecast_id": "renewals", "quarter_id": "2025_Q1", "compared": 10, "swung": 9}
    message = one(alert(kind, "P2", "Something", "Somewhere", where), headlines={})
    for form in (message.text, message.markdown, visible(message.html), json.dumps(message.raw)):
        assert "renewals" in form
        assert "2025_Q1" in form


def test_a_mass_change_replaces_the_lines_of_its_field_and_baseline_only() -> None:
    stood_for = swing("Rep 9", "100", "10", field_name="Best Case", field_id="f-best", baseline="sync")
    other_baseline = swing("Rep 8", "100", "10", field_name="Best Case", field_id="f-best", baseline="week")
    message = one(mass_change(), stood_for, other_baseline, swing("Ana Ruiz", "100", "10"))
    assert message.severity == "P2"
    assert message.subject.endswith("; 1 mass change, 2 swings")
    assert (
        "Best Case 2026_Q4: 14 of 40 people (35 %) moved by more than the threshold since the last sync."
        in message.text
    )
    assert "  Rep 1: 100,000.00 → 61,000.00 EUR, −39,000.00 (−39.0 %)" in message.text
    assert "Rep 9" not in message.text
    assert "Rep 8" in message.text
    assert stood_for.key in message.alert_keys


def test_a_mass_change_of_one_month_hides_no_swing_of_another() -> None:
    """Nor of a field that has the same name, nor of another export whose alerts are still waiting."""
    of_month = swing("Rep 9", "100", "10", field_name="Best Case", field_id="f-best", time_period_id="2026_11")
    namesake = swing("Rep 8", "100", "10", field_name="Best Case", field_id="f-other")
    waiting = swing("Rep 7", "100", "10", field_name="Best Case", field_id="f-best", job_id="an-earlier-one")
    message = one(mass_change(baseline="week"), of_month, namesake, waiting)
    assert all(f"Rep {number}" in message.text for number in (7, 8, 9))


def test_a_mass_change_by_one_ratio_points_at_an_exchange_rate() -> None:
    message = one(mass_change(ratio=Decimal("1.0870"), moved_alike=12, swung=1))
    assert "12 of 40 people moved since the last sync by the same ratio, 1.0870." in message.text
    assert "exchange rate" in visible(message.html)


def test_of_more_than_ten_swings_the_largest_are_shown_and_the_others_can_be_found() -> None:
    message = one(*(swing(f"Rep {number:02}", "1000000", str(number)) for number in range(1, 14)))
    assert message.subject.endswith("; 13 swings")
    assert [f"Rep {number:02}" in message.text for number in range(1, 14)] == [True] * 10 + [False] * 3
    query = f"select title, body from clari.alert where kind = 'forecast_swing' and run_id in ('{RUN}')"
    assert f"and 3 more: {query}\n" in message.text
    assert f"and 3 more: `{query}`\n" in message.markdown
    assert f"and 3 more: {query}" in visible(message.html)


def test_the_subject_is_of_the_newest_quarter_and_its_largest_swing() -> None:
    small = swing("Ana Ruiz", "100", "10", forecast_id="aaa")
    last_quarter = swing("Bo Chen", "9000000", "1", quarter_id="2026_Q3", time_period_id="2026_Q3")
    big = swing("Femi Ade", "500000", "1")
    subject = one(small, last_quarter, big).subject
    assert subject.startswith("[P3] Q4 Commit 12.4M")
    assert subject.endswith("; 1 swing, 2 more in aaa 2026_Q4, total_new 2026_Q3")


@pytest.mark.parametrize(
    ("quarters", "named"),
    [
        (["2026_Q1", "2026_Q4", "2027_Q1", "2026_Q2", "2026_Q3"], "2026_Q4, 2027_Q1, 2026_Q3, 2026_Q2, 2026_Q1"),
        (
            [f"20{year}_Q1" for year in range(10, 22)] + ["2026_Q4"],
            "2026_Q4, " + ", ".join(f"20{year}_Q1" for year in range(21, 12, -1)) + " and 3 more",
        ),
    ],
)
def test_a_title_names_all_quarters_or_the_current_one_first(quarters: list[str], named: str) -> None:
    refused = [
        alert("export_refused", "P2", quarter, "", {"forecast_id": "total_new", "quarter_id": quarter})
        for quarter in quarters
    ]
    (message,) = compose(refused, {}, where_to_look=nowhere, current="2026_Q4")
    assert message.subject == f"[P2] {len(quarters)} exports refused: total_new {named}"
    assert message.text.startswith("[P2] 2026_Q4\n")
    swung = [swing(f"Rep {one}", "100", "10", quarter_id=one, time_period_id=one) for one in ("2027_Q1", "2026_Q4")]
    (message,) = compose(swung, {}, where_to_look=nowhere, current="2026_Q4")
    assert message.subject.startswith("[P3] total_new 2026_Q4; 1 swing, 1 more in total_new 2027_Q1")


def test_without_a_headline_the_largest_swing_speaks() -> None:
    message = one(swing("Ana Ruiz", "1280500.50", "980500.50"), swing("Bo Chen", "100", "10"), headlines={})
    assert message.subject == "[P3] total_new 2026_Q4; 2 swings, largest Ana Ruiz, Commit −300k"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"weeks_left": 1}, "1 week left"),
        ({"weeks_left": 0}, "last week"),
        ({"weeks_left": -2}, "quarter is over"),
        ({"change": Decimal(0)}, "unchanged on the week"),
        ({"baseline": "sync"}, "−0.6M since the last sync"),
        ({"change": Decimal(45200)}, "+45.2k on the week"),
        ({"call": Decimal(-850000), "change": Decimal(-1)}, "Commit −850k, −1 on the week"),
    ],
)
def test_subjects_say_how_things_stand(changed: dict[str, object], words: str) -> None:
    subject = one(manager(), headlines={("total_new", "2026_Q4"): headline(**changed)}).subject
    assert words in subject


def test_a_subject_says_nothing_of_what_is_not_known() -> None:
    bare = headline(call=None, change=None, call_to_quota=None, weeks_left=None)
    assert one(manager(), headlines={("total_new", "2026_Q4"): bare}).subject == "[P3] Q4 Commit; 1 swing"


def test_a_manager_whose_reports_explain_all_has_no_judgement_left() -> None:
    told = one(
        swing(
            "Dana", "100", "50", reports_change=Decimal(-50), joiners_change=Decimal(0), leavers_change=Decimal(0),
            judgement_change=Decimal("0.0000"),
        )
    ).text  # fmt: skip
    assert "The reports' calls account for −50.00 of it; nothing of it is the manager's own judgement." in told


def test_alerts_that_come_back_from_json_read_the_same() -> None:
    """What a channel did not take is sent again by a later run, from what was written down."""
    first = one(manager())
    (kept,) = first.raw["alerts"]
    again = alert("forecast_swing", "P3", "", "", json.loads(json.dumps(kept["detail"])))
    assert one(again).text == first.text


def test_raw_values_are_exact_and_json() -> None:
    exact = Decimal("99999999999999.9999")
    late = datetime(2026, 1, 2, tzinfo=UTC)
    message = one(alert("forecast_swing", "P3", "t", "b", {"quota_value": exact, "seen": {late}, "odd": float("nan")}))
    (kept,) = json.loads(json.dumps(message.raw, allow_nan=False))["alerts"]
    assert kept["detail"] == {"quota_value": "99999999999999.9999", "seen": ["2026-01-02T00:00:00+00:00"], "odd": None}


def test_no_alerts_make_no_message() -> None:
    assert compose([], {}, where_to_look=nowhere) == []


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("12400000", "12.4M"), ("850000", "850k"), ("-600000", "−600k"), ("999960", "1M"), ("1500", "1.5k"),
        ("950.50", "950.50"), ("0", "0"), ("2500000000", "2.5B"), ("12000000", "12M"), ("234560000", "234.6M"),
    ],
)  # fmt: skip
def test_compact_amounts(amount: str, shown: str) -> None:
    assert compact(Decimal(amount)) == shown


def test_exact_amounts_and_percentages() -> None:
    assert money(Decimal("-12400000.005")) == "−12,400,000.01"
    assert money(Decimal("99999999999999.9999"), signed=True) == "+100,000,000,000,000.00"
    assert money(Decimal("-0.001"), signed=True) == "0.00"
    assert percent(Decimal("-0.234"), signed=True) == "−23.4 %"
    assert percent(Decimal("12.3456"), signed=True) == "+1,234.6 %"
