"""What the commands do that are about alerts. Each returns the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clari_pipeline.cli.commands import console_of_output
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import ExitCode, Remark, see
from clari_pipeline.core.safe_text import print_json
from clari_pipeline.core.setting_errors import UsageError
from clari_pipeline.notify import greeting, required_channels
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.log_lines import CommandLog

_MOST_ALERTS = 1000


def listed(settings: Settings, *, most: int, as_json: bool) -> int:
    """The newest alerts and whether they were sent."""
    from clari_pipeline.cli.reporting import alerts_document, show_alerts  # noqa: PLC0415
    from clari_pipeline.store import alert_rows  # noqa: PLC0415

    context = Context.of(settings)
    found: list[dict[str, Any]] = []
    if context.warehouse.exists():
        with context.warehouse.session() as session:
            found = alert_rows.newest(session, most)
    if as_json:
        print_json(alerts_document(found))
    else:
        show_alerts(console_of_output(), found)
    return ExitCode.DONE


def test(settings: Settings) -> int:
    """One message to each channel; which answered."""

    channels = required_channels(settings.alert_urls)
    console = console_of_output()
    is_well = True
    for delivery in channels.deliver(greeting(settings.env)):
        found = see(delivery.error, Remark.ALERT_NOT_SENT) if delivery.error else "took it"
        console.print(f"{delivery.channel}: {found}", highlight=False, soft_wrap=True)
        is_well = is_well and delivery.error is None
    return ExitCode.DONE if is_well else ExitCode.NOT_DONE


def resend(settings: Settings, *, keys: Sequence[str]) -> int:
    """Send what is not sent yet, and these again."""
    from clari_pipeline.alerts.sending import Outbox  # noqa: PLC0415
    from clari_pipeline.store import alert_rows  # noqa: PLC0415

    context = Context.of(settings)
    required_channels(settings.alert_urls)
    with context.warehouse.transaction("alerts") as session:
        known = {alert["alert_key"] for alert in alert_rows.newest(session, _MOST_ALERTS)}
        if unknown := [key for key in keys if key not in known]:
            raise UsageError(f"no alert is called {unknown[0]!r}: clari-pipeline alerts list shows their keys")
        for key in keys:
            alert_rows.requeue(session, key)
    sent = Outbox(context).send(named=keys)
    console_of_output().print(f"{sent.alerts} alerts sent")
    CommandLog(settings).say(*sent.problems)
    return ExitCode.NOT_DONE if sent.problems else ExitCode.DONE
