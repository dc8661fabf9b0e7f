"""Where to look, by kind of alert: tables, files, commands, and pages of the board and of Dagster."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import AlertKind
from clari_pipeline.landing.folder import folder_name
from clari_pipeline.notify import Alert

_SHOWN_DOCUMENTS = 3


class WhereToLook:
    """Gives the lines under "Where to look" of a message. `warehouse` is the warehouse's address for people."""

    def __init__(self, settings: Settings, *, warehouse: str) -> None:
        self._settings = settings
        self._warehouse = warehouse

    def __call__(self, kind: str, alerts: Sequence[Alert]) -> list[str]:
        """The lines for alerts of one kind, the most useful first."""
        return list(self._lines(kind, alerts))

    def _lines(self, kind: str, alerts: Sequence[Alert]) -> Iterator[str]:
        match kind:
            case AlertKind.FORECAST_SWING | AlertKind.MASS_CHANGE:
                yield self._settings.board_url or "clari-pipeline board --open"
                yield f"clari.forecast_swing in {self._warehouse}"
                yield from self._dagster("forecast_swing")
            case AlertKind.EXPORT_REFUSED:
                yield self._verdicts(alerts)
                yield from self._documents(alerts)
                yield self._data_docs()
                yield from self._dagster("forecast_entry", alerts, view="checks")
            case AlertKind.EXPORT_FAILED:
                found = _in(alerts, "quarter_id", "time_period_id")
                yield "clari-pipeline status"
                yield self._query(f"select time_period_id, state, error from clari.export_job where true{found}")  # noqa: S608 - to read
                yield from self._dagster("raw_export", alerts)
            case AlertKind.RUN_FAILED:
                yield "clari-pipeline status"
                yield from self._page("/runs?q%5B%5D=status%3AFAILURE")
            case AlertKind.FRESHNESS:
                yield "clari-pipeline status"
                yield "clari-pipeline preflight"
                yield from self._page("/automation")
            case AlertKind.CONTRACT_CHANGED:
                yield from self._documents(alerts)
                yield from self._dagster("forecast_entry", alerts, view="checks")
            case AlertKind.QUALITY if all(alert.detail.get("check_name") for alert in alerts):
                yield self._verdicts(alerts)
                yield "clari-pipeline verify"
                yield from self._documents(alerts)
                yield from self._dagster("forecast_entry", alerts, view="checks")
            case AlertKind.QUALITY:
                found = _in(alerts, "rule", "rule_name")
                yield self._query(f"select rule_name, evidence from clari.quality_result where not passed{found}")  # noqa: S608 - to read
                yield self._data_docs()
                tables = (alert.detail.get("table") for alert in alerts)
                for table in dict.fromkeys(str(name).rpartition(".")[2] for name in tables if name):
                    yield from self._dagster(table, view="checks")
            case AlertKind.AUTH_FAILED | AlertKind.QUOTA_LOW:
                yield "clari-pipeline preflight"
            case _:  # a kind of another release
                yield "clari-pipeline status"

    def _verdicts(self, alerts: Sequence[Alert]) -> str:
        """The failed checks of the alerts' exports."""
        jobs = _in(alerts, "job_id").replace(" and ", " where ", 1)
        exports = f" and request_id in (select request_id from clari.export_job{jobs})" if jobs else ""  # noqa: S608 - to read
        return self._query(f"select check_name, evidence from clari.export_check where not passed{exports}")  # noqa: S608 - to read

    def _query(self, statement: str) -> str:
        return f"{statement}; in {self._warehouse}"

    def _data_docs(self) -> str:
        page = self._settings.data_docs_dir / "index.html"
        return str(page.absolute()) if page.exists() else "clari-pipeline quality --open"

    def _documents(self, alerts: Sequence[Alert]) -> Iterator[str]:
        """The folders of the documents that landed, with how many more there are."""
        folders = [
            folder
            for alert in alerts
            if (folder := _folder(self._settings.landing_dir, alert)) is not None and folder.exists()
        ]
        yield from (f"landed document: {folder.absolute()}" for folder in folders[:_SHOWN_DOCUMENTS])
        if (more := len(folders) - _SHOWN_DOCUMENTS) > 0:
            yield f"{more} more below {self._settings.landing_dir.absolute()}"

    def _dagster(self, asset: str, alerts: Sequence[Alert] = (), *, view: str = "partitions") -> Iterator[str]:
        """The asset's page: of the one quarter of these alerts, or of the first of several."""
        quarters = [quarter for alert in alerts if (quarter := alert.detail.get("quarter_id"))]
        choice = [f"view={view}"] if quarters or view == "checks" else []
        choice += [f"partition={quote(str(quarters[0]), safe='')}"] if quarters else []
        yield from self._page(f"/assets/clari/{quote(asset, safe='')}" + (f"?{'&'.join(choice)}" if choice else ""))

    def _page(self, path: str) -> Iterator[str]:
        if self._settings.dagster_url:
            yield self._settings.dagster_url + path


def _folder(landing: Path, alert: Alert) -> Path | None:
    parts = [alert.detail.get(name) for name in ("forecast_id", "quarter_id", "job_id")]
    return landing.joinpath(*(folder_name(str(part)) for part in parts)) if all(parts) else None


def _in(alerts: Sequence[Alert], name: str, column: str | None = None) -> str:
    """A condition on a column by the values of a detail, which begins with `and`; empty without any."""
    values = dict.fromkeys(str(value) for alert in alerts if (value := alert.detail.get(name)))
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f" and {column or name} in ({quoted})" if quoted else ""
