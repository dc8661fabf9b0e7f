"""What happened, grouped into the few messages that people get."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from clari_pipeline.core.runbook import anchor
from clari_pipeline.notify.rendering import render
from clari_pipeline.notify.views import notice_view, notices_subject, swing_sections, swings_subject

Severity = Literal["P1", "P2", "P3"]
Baseline = Literal["sync", "week"]
_GROUPED_AS_SWINGS = ("forecast_swing", "mass_change")
_SWINGS = "forecast_swing"


@dataclass(frozen=True, slots=True)
class Alert:
    """One row of the table `alert`, with the raw values that it was written from.

    `detail` holds amounts as `Decimal` or None, in the currency that it names, and fractions, not percentages.
    """

    key: str
    alert_class: str
    kind: str
    severity: Severity
    title: str
    body: str
    created_at: datetime
    run_id: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Headline:
    """What a subject is made of: the top call of one forecast × quarter.

    `call_to_quota` is a fraction; `change` compares with `previous_exported_at`, the export that `baseline` names;
    `weeks_left` is 0 in the quarter's last week and negative once it is over.
    """

    forecast_id: str
    quarter_id: str
    field_name: str
    call: Decimal | None
    change: Decimal | None
    baseline: Baseline
    call_to_quota: Decimal | None
    weeks_left: int | None
    currency_code: str | None
    exported_at: datetime | None
    previous_exported_at: datetime | None
    newcomers: Sequence[str] = ()
    leavers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell people, not yet in the form of any channel.

    `markdown` holds `**` for bold and nothing else that Slack and CommonMark read differently; `raw` is ready for
    `json.dumps`: decimals are strings, moments ISO 8601.
    """

    subject: str
    severity: Severity
    kind: str
    alert_keys: tuple[str, ...]
    text: str
    markdown: str
    html: str
    raw: Mapping[str, Any]


def compose(
    alerts: Sequence[Alert],
    headlines: Mapping[tuple[str, str], Headline],
    *,
    where_to_look: Sequence[str],
    environment: str | None = None,
) -> list[Message]:
    """The messages that these alerts make, the most severe first: one for all swings, one for each other kind.

    `headlines` are found by forecast id and quarter; a swing without one is told all the same. Subjects name the
    environment that it all comes from, where there is one.
    """
    by_kind: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_kind.setdefault(_SWINGS if alert.kind in _GROUPED_AS_SWINGS else alert.kind, []).append(alert)
    messages = [
        _swings(of_kind, headlines, where_to_look, environment)
        if kind == _SWINGS
        else _notices(kind, of_kind, where_to_look, environment)
        for kind, of_kind in by_kind.items()
    ]
    return sorted(messages, key=lambda message: message.severity)


def greeting(environment: str | None) -> Message:
    """What `clari-pipeline alerts test` sends."""
    label = f"[{environment}] " if environment else ""
    subject = f"{label}A test: alerts of the Clari pipeline reach this channel"
    text = "Nothing is wrong. clari-pipeline alerts test has sent this."
    return Message(
        subject=subject,
        severity="P3",
        kind="test",
        alert_keys=(),
        text=text,
        markdown=text,
        html=f"<p>{text}</p>",
        raw={
            "subject": subject,
            "message": text,
            "severity": "P3",
            "kind": "test",
            "environment": environment,
            "headlines": [],
            "alerts": [],
        },
    )


def _swings(
    alerts: Sequence[Alert],
    headlines: Mapping[tuple[str, str], Headline],
    where_to_look: Sequence[str],
    environment: str | None,
) -> Message:
    sections = swing_sections(alerts, headlines)
    told = [section.headline for section in sections if section.headline is not None]
    return _message(
        _SWINGS,
        swings_subject(sections),
        alerts,
        environment,
        template="swings",
        headlines=told,
        sections=sections,
        where_to_look=where_to_look,
    )


def _notices(kind: str, alerts: Sequence[Alert], where_to_look: Sequence[str], environment: str | None) -> Message:
    return _message(
        kind,
        notices_subject(kind, alerts),
        alerts,
        environment,
        template="notices",
        headlines=(),
        notices=[notice_view(alert) for alert in alerts],
        where_to_look=where_to_look,
    )


def _message(
    kind: str,
    subject: str,
    alerts: Sequence[Alert],
    environment: str | None,
    *,
    template: str,
    headlines: Sequence[Headline],
    **shown: Any,
) -> Message:
    severity = min(alert.severity for alert in alerts)
    sections = dict.fromkeys(anchor(alert.kind) for alert in alerts)
    shown["where_to_look"] = [*shown["where_to_look"], *sections]
    subject = f"[{severity}] [{environment}] {subject}" if environment else f"[{severity}] {subject}"
    text, markdown, html = render(template, subject=subject, severity=severity, **shown)
    return Message(
        subject=subject,
        severity=severity,
        kind=kind,
        alert_keys=tuple(alert.key for alert in alerts),
        text=text,
        markdown=markdown,
        html=html,
        raw={
            "subject": subject,
            "message": text,
            "severity": severity,
            "kind": kind,
            "environment": environment,
            "headlines": [_plain(asdict(headline)) for headline in headlines],
            "alerts": [
                {
                    "key": alert.key,
                    "alert_class": alert.alert_class,
                    "kind": alert.kind,
                    "severity": alert.severity,
                    "title": alert.title,
                    "body": alert.body,
                    "created_at": _plain(alert.created_at),
                    "run_id": alert.run_id,
                    "runbook": anchor(alert.kind),
                    "forecast_id": alert.detail.get("forecast_id"),
                    "quarter_id": alert.detail.get("quarter_id"),
                    "detail": _plain(alert.detail),
                }
                for alert in alerts
            ],
        },
    )


def _plain(value: Any) -> Any:
    """The same in types that JSON has; a decimal stays exact as a string."""
    match value:
        case None | bool() | int() | str() | float():
            return None if isinstance(value, float) and not math.isfinite(value) else value
        case Decimal():
            return format(value, "f")
        case datetime() | date():
            return value.isoformat()
        case Mapping():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(inner) for inner in value]
        case _:
            return str(value)
