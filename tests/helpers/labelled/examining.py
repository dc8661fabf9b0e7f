"""Run labelled histories through the pipeline, in one warehouse, and compare its results with the labels."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clari_pipeline.store import marts
from tests.helpers.house import House
from tests.helpers.labelled.histories import History, Key

Said = tuple[Any, ...]
Named = Mapping[str, History]
Requests = Mapping[tuple[str, int], str]


@dataclass
class Findings:
    """Counts of expected findings by kind, and the deviations from the labels."""

    anomalies: int = 0
    near_misses: int = 0
    found: int = 0
    missed: list[Said] = field(default_factory=list)
    false_alarms: list[Said] = field(default_factory=list)
    misworded: list[Said] = field(default_factory=list)
    """No alarm too many or too few, but another reason, row or state than specified."""

    def __str__(self) -> str:
        return (
            f"{self.anomalies} anomalies, {self.found} found, {len(self.missed)} missed; "
            f"{self.near_misses} near misses, {len(self.false_alarms)} false alarms"
        )

    @property
    def is_clean(self) -> bool:
        return not (self.missed or self.false_alarms or self.misworded)

    def settle(self, label: Said, *, is_anomaly: bool, is_alarm: bool) -> None:
        """Count one label, which stands for an anomaly or a near miss."""
        self.anomalies += is_anomaly
        self.near_misses += not is_anomaly
        self.found += is_anomaly and is_alarm
        if is_anomaly and not is_alarm:
            self.missed.append(label)
        if is_alarm and not is_anomaly:
            self.false_alarms.append(label)


def examine(histories: Sequence[History], folder: Path) -> Findings:
    """Merge each history as a forecast of its own, and compare all results with the labels."""
    with examined(histories, folder) as (_, found):
        return found.compare()


@contextmanager
def examined(histories: Sequence[History], folder: Path) -> Iterator[tuple[House, "MergedHistories"]]:
    """A warehouse with each history merged as a forecast of its own; its file stays open in the block."""
    house = House(folder)
    with house.held_open(), house.context.warehouse.session() as session:
        # A second thread slows so little work down.
        session.documents.execute("set threads = 1")
        yield house, bring(house, {f"h{number:04d}": history for number, history in enumerate(histories, start=1)})


@dataclass(frozen=True)
class MergedHistories:
    """Merged histories by forecast id, and the request id of each export by forecast and number."""

    house: House
    histories: Mapping[str, History]
    requests: Mapping[tuple[str, int], str]

    def compare(self) -> Findings:
        """Compare all results of these forecasts with the labels."""
        findings = Findings()
        for compare in _COMPARISONS:
            compare(self.house, self.histories, self.requests, findings)
        return findings

    def is_right(self, name: str) -> bool:
        """Whether all results of this forecast match its labels; stops at the first comparison that does not."""
        findings = Findings()
        for compare in _COMPARISONS:
            compare(self.house, {name: self.histories[name]}, self.requests, findings)
            if not findings.is_clean:
                return False
        return True


def bring(house: House, histories: Mapping[str, History]) -> MergedHistories:
    """Land all exports of these forecasts, then merge quarter by quarter."""
    requests = {
        (name, number): house.deliver(
            export.content, export.at, forecast=name, quarter=export.quarter, **export.request
        )
        for name, history in histories.items()
        for number, export in enumerate(history.exports)
    }
    for quarter in sorted({export.quarter for history in histories.values() for export in history.exports}):
        house.merge(quarter)
    return MergedHistories(house, histories, requests)


def _compare_calls(house: House, histories: Named, requests: Requests, findings: Findings) -> None:
    numbers = {request.replace("request-", "job-"): which for which, request in requests.items()}
    said: dict[str, dict[Key, tuple[bool, str | None]]] = {}
    compared = "select job_id, baseline, user_id, field_id, is_swing, reason from clari.forecast_swing"
    for row in house.rows(f"{compared} where list_contains($names, forecast_id)", names=list(histories)):
        name, number = numbers[row["job_id"]]
        key = Key(number, row["baseline"], row["user_id"], row["field_id"])
        rows = said.setdefault(name, {})
        if key in rows:
            findings.misworded.append((name, key, "compared twice"))
        rows[key] = (row["is_swing"], row["reason"])
    for name, history in histories.items():
        rows = said.get(name, {})
        for key, label in history.labels.items():
            is_swing, reason = rows.get(key, (False, "no row"))
            if not history.is_kept(key):
                reason = f"a row: {reason}" if key in rows else None
            findings.settle((name, key, label, reason), is_anomaly=label.is_anomaly, is_alarm=is_swing)
            if is_swing == label.is_anomaly and reason != label.reason:
                findings.misworded.append((name, key, label, reason))
        for key in rows.keys() - history.labels.keys():
            (findings.false_alarms if rows[key][0] else findings.misworded).append((name, key, rows[key], "no label"))


def _compare_summaries(house: House, histories: Named, requests: Requests, findings: Findings) -> None:
    """Every comparison counts all its calls, those without a row included."""
    numbers = {request.replace("request-", "job-"): which for which, request in requests.items()}
    said: dict[str, dict[tuple[int, str, str], Said]] = {}
    summed = "select job_id, baseline, field_id, compared, swung, kept from clari.forecast_swing_summary"
    for row in house.rows(f"{summed} where list_contains($names, forecast_id)", names=list(histories)):
        name, number = numbers[row["job_id"]]
        which = (number, row["baseline"], row["field_id"])
        if which in said.setdefault(name, {}):
            findings.misworded.append((name, which, "summed twice"))
        said[name][which] = (row["compared"], row["swung"], row["kept"])
    for name, history in histories.items():
        must: dict[tuple[int, str, str], Said] = {}
        for key, label in history.labels.items():
            which = (key.export, key.baseline, key.field)
            compared, swung, unkept = must.get(which, (0, 0, 0))
            must[which] = (compared + 1, swung + label.is_anomaly, unkept + (not history.is_kept(key)))
        known = said.get(name, {})
        for which in must.keys() | known.keys():
            compared, swung, unkept = must.get(which, (0, 0, 0))
            found = known.get(which, (0, 0, 0))
            is_older = unkept > 0
            if found[:2] != (compared, swung) or (is_older and found[2] != compared - unkept):
                findings.misworded.append((name, which, found, must.get(which), "summary"))


def _compare_verdicts(house: House, histories: Named, requests: Requests, findings: Findings) -> None:
    failed: dict[str, dict[str, str]] = {}
    for row in house.rows("from clari.export_check where not passed"):
        failed.setdefault(row["request_id"], {})[row["check_name"]] = row["severity"]
    states = {row["request_id"]: row["state"] for row in house.rows("from clari.export_job")}
    for name, history in histories.items():
        for number, export in enumerate(history.exports):
            request = requests[name, number]
            said = failed.get(request, {})
            for check, severity in export.broken.items():
                label = (name, history.kind, check, severity, said.get(check))
                findings.settle(label, is_anomaly=True, is_alarm=check in said)
                if said.get(check, severity) != severity:
                    findings.misworded.append(label)
            for check in {*export.near, *said} - export.broken.keys():
                label = (name, history.kind, check, said.get(check))
                findings.settle(label, is_anomaly=False, is_alarm=check in said)
            if states[request] != export.state:
                findings.misworded.append((name, history.kind, number, states[request]))
            if export.state == "REFUSED":
                is_failure = house.outcome(request).is_failure
                if is_failure is not ("ERROR" in export.broken.values()):
                    findings.misworded.append((name, history.kind, number, "is_failure", is_failure))


def _compare_masses(house: House, histories: Named, requests: Requests, findings: Findings) -> None:
    with house.context.warehouse.session() as session:
        for name, history in histories.items():
            said = {
                (number, row.baseline, row.field_id)
                for number, export in enumerate(history.exports)
                if export.state == "LOADED"
                for row in marts.mass_changes(session, requests[name, number].replace("request-", "job-"))
            }
            must = history.mass_changes()
            near = {(number, "sync", "commit") for number, one in enumerate(history.exports) if one.nearly_mass}
            for which in must | said | near:
                findings.settle((name, history.kind, "mass", which), is_anomaly=which in must, is_alarm=which in said)


_COMPARISONS = (_compare_calls, _compare_summaries, _compare_verdicts, _compare_masses)
