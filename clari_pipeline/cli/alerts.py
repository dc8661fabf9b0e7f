"""The `alerts` commands. Each imports its dependencies when it runs, so that --help is fast."""

from typing import Annotated, Any

import typer

from clari_pipeline.cli.options import AsJson, Sandbox, settings_of
from clari_pipeline.config.settings import read_settings
from clari_pipeline.core.runbook import ExitCode, RunbookSection, with_anchor
from clari_pipeline.core.setting_errors import UsageError

_MOST_ALERTS = 1000

app = typer.Typer(help="List alerts, try the channels, send what is left.", rich_markup_mode=None)


@app.command("list", epilog="Example: clari-pipeline alerts list --last 5")
def listed(
    last: Annotated[
        int, typer.Option("--last", metavar="N", min=1, max=_MOST_ALERTS, help="So many of the newest.")
    ] = 20,
    sandbox: Sandbox = False,
    as_json: AsJson = False,
) -> None:
    """The newest alerts, their keys, and whether they were sent."""
    from clari_pipeline.cli.commands import console_of_output  # noqa: PLC0415
    from clari_pipeline.cli.reporting import alerts_document, show_alerts  # noqa: PLC0415
    from clari_pipeline.core.safe_text import print_json  # noqa: PLC0415
    from clari_pipeline.store import alert_rows  # noqa: PLC0415
    from clari_pipeline.sync.context import Context  # noqa: PLC0415

    settings = settings_of(sandbox=sandbox)
    context = Context.of(settings)
    found: list[dict[str, Any]] = []
    if context.warehouse.exists():
        with context.warehouse.session() as session:
            found = alert_rows.newest(session, last)
    if as_json:
        print_json(alerts_document(found))
    else:
        show_alerts(console_of_output(), found, has_channels=settings.alert_urls is not None)


@app.command("test", epilog="Example: clari-pipeline alerts test --sample")
def test(
    is_sample: Annotated[
        bool, typer.Option("--sample", help="Send a swing of invented people, as a real one will look.")
    ] = False,
) -> None:
    """Send one message to each channel of CLARI_ALERT_URLS.

    Prints which channels accepted it. Exits with 1 if one did not.
    """
    from clari_pipeline.cli.commands import console_of_output  # noqa: PLC0415
    from clari_pipeline.notify import greeting, required_channels, sample  # noqa: PLC0415

    settings = read_settings()
    console = console_of_output()
    channels = required_channels(settings.alert_urls)
    message = greeting(settings.env)
    if is_sample:
        from clari_pipeline.alerts.where_to_look import WhereToLook  # noqa: PLC0415
        from clari_pipeline.sync.context import Context  # noqa: PLC0415

        context = Context.of(settings)
        places = WhereToLook(settings, warehouse=context.warehouse.place)
        message = sample(now=context.now(), where_to_look=places, environment=settings.env)
    deliveries = channels.deliver(message)
    for delivery in deliveries:
        found = with_anchor(delivery.error, RunbookSection.ALERT_NOT_SENT) if delivery.error else "delivered"
        console.print(f"{delivery.channel}: {found}", highlight=False, soft_wrap=True)
    if any(delivery.error is not None for delivery in deliveries):
        raise typer.Exit(ExitCode.NOT_DONE)


@app.command("resend", epilog="Example: clari-pipeline alerts resend")
def resend(
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY", help="Keys of alerts to send once more.")] = None,
) -> None:
    """Send what is not sent yet.

    With keys, these are sent once more to every channel.
    """
    from clari_pipeline.alerts.sending import Outbox  # noqa: PLC0415
    from clari_pipeline.cli.commands import console_of_output  # noqa: PLC0415
    from clari_pipeline.notify import required_channels  # noqa: PLC0415
    from clari_pipeline.store import alert_rows  # noqa: PLC0415
    from clari_pipeline.sync.context import Context  # noqa: PLC0415
    from clari_pipeline.sync.log_lines import CommandLog  # noqa: PLC0415

    settings, named = read_settings(), keys or []
    context = Context.of(settings)
    required_channels(settings.alert_urls)
    with context.warehouse.transaction("alerts") as session:
        known = {alert["alert_key"] for alert in alert_rows.newest(session, _MOST_ALERTS)}
        if unknown := [key for key in named if key not in known]:
            raise UsageError(f"no alert is called {unknown[0]!r}: clari-pipeline alerts list shows their keys")
        for key in named:
            alert_rows.requeue(session, key)
    sent = Outbox(context).send(named=named)
    console_of_output().print(f"{sent.alerts} alerts sent")
    CommandLog(settings).say(*sent.problems)
    if sent.problems:
        raise typer.Exit(ExitCode.NOT_DONE)
