"""Compose messages from alerts: one for all calls that moved, one for each other kind."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from clari_pipeline.core.runbook import OF_CALLS, AlertKind, anchor
from clari_pipeline.notify.rendering import render
from clari_pipeline.notify.views import notices_subject, quarter_order, swing_sections, swings_subject

Severity = Literal["P1", "P2", "P3"]
Baseline = Literal["sync", "week"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One row of the table `alert`.

    `detail` holds the values of the alert: amounts as `Decimal` or None, in its `currency_code`; fractions, not
    percentages.
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
    """The call of the person at the top of one forecast × quarter, for the subject of a message.

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


WhereToLook = Callable[[str, Sequence[Alert]], Sequence[str]]
"""Gives the lines under "Where to look", of a kind of alert and the alerts of that kind."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message in every format; a channel picks its own.

    In `markdown` only `**` for bold is read differently by Slack and CommonMark. `raw` is the JSON payload of webhooks:
    decimals are strings, moments ISO 8601.
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
    where_to_look: WhereToLook,
    environment: str | None = None,
    current: str | None = None,
    sample_note: str | None = None,
) -> list[Message]:
    """Compose the messages of these alerts, the most severe first: one for all swings, one for each other kind.

    `headlines` is by forecast id and quarter; a swing may have none. `where_to_look` gives the lines of places for a
    kind and its alerts. Subjects name `environment`, where it is set. The `current` quarter comes first, then the
    newest. `sample_note` says above everything that it is a sample, as subjects then do.
    """
    by_kind: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_kind.setdefault(AlertKind.FORECAST_SWING if alert.kind in OF_CALLS else alert.kind, []).append(alert)
    messages = []
    for kind, of_kind in by_kind.items():
        of_kind.sort(key=lambda one: quarter_order(one.detail.get("quarter_id"), current), reverse=True)
        shown: list[Headline] = []
        values: dict[str, Any]
        if kind in OF_CALLS:
            sections = swing_sections(of_kind, headlines, current)
            shown = [section.headline for section in sections if section.headline is not None]
            template, said, values = "swings", swings_subject(sections), {"sections": sections}
        else:
            template, said, values = "notices", notices_subject(kind, of_kind), {"notices": of_kind}
        severity = min(alert.severity for alert in of_kind)
        labels = [severity, environment, "sample" if sample_note else None]
        subject = " ".join([*(f"[{label}]" for label in labels if label), said])
        look = [*where_to_look(kind, of_kind), *dict.fromkeys(anchor(alert.kind) for alert in of_kind)]
        forms = render(template, subject=subject, severity=severity, where_to_look=look, note=sample_note, **values)
        messages.append(_message(kind, severity, subject, forms, environment, shown, of_kind))
    return sorted(messages, key=lambda message: message.severity)


def greeting(environment: str | None) -> Message:
    """The message that `clari-pipeline alerts test` sends."""
    label = f"[{environment}] " if environment else ""
    subject = f"{label}A test: alerts of the Clari pipeline reach this channel"
    text = "Nothing is wrong. clari-pipeline alerts test has sent this."
    forms = (text, text, f"<p>{text}</p>")
    return _message("test", "P3", subject, forms, environment)


def _message(
    kind: str,
    severity: Severity,
    subject: str,
    forms: tuple[str, str, str],
    environment: str | None,
    headlines: Sequence[Headline] = (),
    alerts: Sequence[Alert] = (),
) -> Message:
    text, markdown, html = forms
    of_alerts = [
        _plain({field.name: getattr(alert, field.name) for field in fields(alert)})
        | {"runbook": anchor(alert.kind)}
        | {name: alert.detail.get(name) for name in ("forecast_id", "quarter_id")}
        for alert in alerts
    ]
    raw = {
        "subject": subject,
        "message": text,
        "severity": severity,
        "kind": kind,
        "environment": environment,
        "headlines": [_plain(asdict(headline)) for headline in headlines],
        "alerts": of_alerts,
    }
    return Message(subject, severity, kind, tuple(alert.key for alert in alerts), text, markdown, html, raw)


def _plain(value: Any) -> Any:
    """Convert a value to JSON types; a decimal becomes an exact string, NaN and infinity None."""
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
