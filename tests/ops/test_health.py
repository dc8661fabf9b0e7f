"""`clari-pipeline serve-health` as an operator meets it: a process of its own, asked over HTTP beside real syncs."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, Any

import duckdb
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from clari_pipeline.config.settings import read_settings
from clari_pipeline.landing import Landing
from clari_pipeline.ops.freshness import CurrentQuarter, ExportHealth
from clari_pipeline.ops.health import Health, Snapshot
from clari_pipeline.sandbox import Sandbox
from tests.helpers import forked
from tests.helpers.each_case import try_each
from tests.helpers.holding import held_by_another_process
from tests.helpers.terminal import BEFORE, CURRENT, Terminal

WAREHOUSE = Path("data/warehouse.duckdb")
AWKWARD = 'a "quoted" \\n back\\slash\nnext line\r, {comma} ü'
NEW_ALERT = (
    "insert into clari.alert (alert_key, alert_class, kind, severity, title, created_at) "
    "values ('new', 'c', 'freshness', 'P3', 't', now())"
)

Labels = frozenset[tuple[str, str]]


class Service:
    """A running `serve-health`."""

    def __init__(self, process: Any, address: str) -> None:
        self.process = process
        self.address = address

    def get(self, path: str) -> httpx.Response:
        return ASKER.get(f"{self.address}{path}")

    def health(self) -> tuple[int, dict[str, Any]]:
        answer = self.get("/health")
        document: dict[str, Any] = answer.json()
        return answer.status_code, document

    def metrics(self) -> dict[tuple[str, Labels], float]:
        """Every sample, read with the parser of Prometheus' own library."""
        answer = self.get("/metrics")
        assert answer.status_code == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


WORDS = ("serve-health", "--port", "0")
ASKER = httpx.Client(timeout=30, headers={"connection": "close"})  # made once: what it needs for TLS takes a while


@contextmanager
def serving(**environment: str) -> Iterator[Service]:
    """The command at a free port, without a key: it has no business with Clari. Forked: nothing is imported again."""
    said = Path(mkdtemp()) / "said"
    os.mkfifo(said)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CLARI_API_KEY", raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        process = forked.begin(forked.command, *WORDS, out=Path(os.devnull), err=said)
    with said.open() as stderr:
        try:
            yield Service(process, _address(stderr))
        finally:
            process.terminate()
            process.join()


@contextmanager
def started() -> Iterator[Service]:
    """The same, as its users start it."""
    surroundings = {name: value for name, value in os.environ.items() if name != "CLARI_API_KEY"}
    words = [sys.executable, "-m", "clari_pipeline", *WORDS]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=surroundings) as process:
        assert process.stderr is not None
        try:
            yield Service(process, _address(process.stderr))
        finally:
            process.terminate()


def _address(stderr: IO[str]) -> str:
    """What it says where it can be asked."""
    line = stderr.readline()
    address = re.search(r"http://127\.0\.0\.1:[1-9]\d*(?=/health)", line)
    assert address, line + stderr.read()
    return address[0]


@pytest.fixture
def synced(terminal: Terminal) -> Terminal:
    """A terminal after a sync."""
    terminal.begin_after("sync")
    return terminal


def write(sql: str, **parameters: object) -> None:
    with duckdb.connect(WAREHOUSE) as connection:
        connection.execute(sql, parameters or None)


def sample(name: str, **labels: str) -> tuple[str, Labels]:
    return name, frozenset(labels.items())


def quarter(name: object) -> dict[str, str]:
    return {"forecast_id": "total_new", "time_period_id": str(name)}


def test_unwell_before_the_first_sync_and_well_after_it(terminal: Terminal) -> None:
    """503 and no file made; then 200, each quarter with the moment of its figures, as the warehouse has it."""
    with serving() as service:
        code, found = service.health()
        assert (code, found["status"], found["newest_success"], found["exports"]) == (503, "never", None, [])
        assert (found["jobs_in_flight"], found["alerts_unsent"], found["max_age_hours"]) == (0, 0, 26)
        assert service.metrics()[sample("clari_up")] == 0
        assert not WAREHOUSE.parent.exists()

        terminal.begin_after("sync")
        code, found = service.health()
        assert (code, found["status"], found["error"]) == (200, "ok", None)
        merged = {
            name: (exported_at, loaded_at)
            for name, exported_at, loaded_at in terminal.query(
                "select time_period_id, exported_at, loaded_at from clari.export_job where state = 'LOADED'"
            )
        }
        assert [export["time_period_id"] for export in found["exports"]] == [str(CURRENT), str(BEFORE)]
        for export in found["exports"]:
            exported_at, loaded_at = merged[export["time_period_id"]]
            assert (export["forecast_id"], export["state"]) == ("total_new", "LOADED")
            assert datetime.fromisoformat(export["exported_at"]) == exported_at
            assert datetime.fromisoformat(export["last_success_at"]) == loaded_at
        newest = max(merged, key=lambda name: (merged[name][0], name))
        assert found["newest_success"]["time_period_id"] == newest
        assert datetime.fromisoformat(found["newest_success"]["exported_at"]) == merged[newest][0]

        metrics = service.metrics()
        assert metrics[sample("clari_up")] == 1
        for name, (_, loaded_at) in merged.items():
            success = metrics[sample("clari_last_success_timestamp_seconds", **quarter(name))]
            assert datetime.fromtimestamp(success, UTC) == loaded_at
            assert metrics[sample("clari_exports", **quarter(name), state="LOADED")] == 1
        newest_age = metrics[sample("clari_newest_success_age_seconds")]
        assert newest_age == metrics[sample("clari_export_age_seconds", **quarter(newest))] > 0


def test_what_http_clients_expect(terminal: Terminal) -> None:
    """Probes ask with HEAD, nothing may be cached, and everything but Prometheus' own text is JSON."""
    with serving() as service:
        health, metrics = service.get("/health"), service.get("/metrics")
        assert health.headers["content-type"] == "application/json"
        assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert health.headers["cache-control"] == metrics.headers["cache-control"] == "no-store"
        head = httpx.head(f"{service.address}/health")
        assert (head.status_code, head.content) == (503, b"")
        assert int(head.headers["content-length"]) > 100
        nowhere = service.get("/warehouse.duckdb")
        assert nowhere.status_code == 404
        assert "/health" in nowhere.json()["error"]
        refused = httpx.post(f"{service.address}/health")
        assert (refused.status_code, sorted(refused.headers["allow"].split(", "))) == (405, ["GET", "HEAD"])
        assert refused.json()["error"]
        for family in text_string_to_metric_families(metrics.text):
            assert family.type == "gauge", family
            assert family.documentation, family


def test_unwell_when_the_newest_figures_are_too_old(synced: Terminal) -> None:
    """503 beyond CLARI_MAX_AGE_HOURS, however lately it was merged; Prometheus reads on. The quarter before is none."""
    with serving(CLARI_MAX_AGE_HOURS="48") as service:
        write("update clari.export_job set exported_at = now() - interval 50 hour")
        code, found = service.health()
        # Both exports are as of one moment, as within one tick of Clari's clock: the later quarter is the newest.
        assert found["newest_success"]["time_period_id"] == str(CURRENT)
        assert (code, found["status"], found["age_hours"], found["max_age_hours"]) == (503, "stale", 50, 48)
        metrics = service.metrics()
        assert metrics[sample("clari_up")] == 0
        assert metrics[sample("clari_newest_success_age_seconds")] >= 50 * 3600
        write(f"update clari.export_job set exported_at = now() where time_period_id = '{BEFORE}'")
        code, found = service.health()
        assert (code, found["status"], found["newest_success"]["time_period_id"]) == (503, "stale", str(BEFORE))
        assert (found["current_quarter"], found["behind"]) == (str(CURRENT), ["total_new"])
        assert [export["age_hours"] for export in found["exports"]] == [50, 0]


def test_refused_and_unfinished_exports_and_pending_alerts_are_counted(synced: Terminal, sandbox: Sandbox) -> None:
    """A quarter that was refused says so beside its last success; what is under way and unsent is counted."""
    sandbox.scenario = "truncated"
    assert synced("sync", "--period", str(BEFORE)).code == 1
    ((refused,),) = synced.query("select time_period_id from clari.export_job where state = 'REFUSED'")
    for state in ("SUBMITTING", "SUBMITTED", "LANDED", "TIMED_OUT"):
        write(
            "insert into clari.export_job (request_id, forecast_id, time_period_id, state, submitted_at) "
            "values ($state, $forecast_id, '2020_Q1', $state, now())",
            state=state,
            forecast_id=AWKWARD,
        )
    write("update clari.alert set sent_at = now()")
    for key, sent_at in (("told", datetime.now(UTC)), ("untold", None), ("untold too", None)):
        write(
            "insert into clari.alert (alert_key, alert_class, kind, severity, title, created_at, sent_at) "
            "values ($key, 'c', 'export_refused', 'P1', 't', now(), $sent_at)",
            key=key,
            sent_at=sent_at,
        )
    with serving() as service:
        code, found = service.health()
        assert (code, found["jobs_in_flight"], found["alerts_unsent"]) == (200, 3, 2)
        (export,) = [export for export in found["exports"] if export["time_period_id"] == refused]
        assert export["state"] == "REFUSED"
        assert export["last_success_at"] is not None
        (awkward,) = [export for export in found["exports"] if export["forecast_id"] == AWKWARD]
        assert (awkward["last_success_at"], awkward["age_hours"]) == (None, None)

        metrics = service.metrics()
        assert metrics[sample("clari_jobs_in_flight")] == 3
        assert metrics[sample("clari_alerts_unsent")] == 2
        assert metrics[sample("clari_exports", **quarter(refused), state="REFUSED")] == 1
        assert metrics[sample("clari_exports", **quarter(refused), state="LOADED")] == 1
        labels = {"forecast_id": AWKWARD, "time_period_id": "2020_Q1"}
        assert metrics[sample("clari_exports", **labels, state="TIMED_OUT")] == 1
        assert sample("clari_export_age_seconds", **labels) not in metrics


@pytest.mark.soak
def test_products_in_the_settings_are_part_of_the_health(
    synced: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails says so beside its last success, a stale one is not well, one that is not named is nothing."""
    monkeypatch.setenv("CLARI_PRODUCTS", "forecast,limits,audit,opportunity")
    with serving(CLARI_MAX_AGE_HOURS="48") as service:
        code, found = service.health()
        assert (code, [one["state"] for one in found["products"]]) == (200, [None, None])  # no activity: no opportunity
        sandbox.fail_next("audit", ["403"])
        assert synced("sync", "--last", "1").code == 1
        code, found = service.health()
        assert (code, found["status"]) == (503, "stale")
        assert {one["product"]: (one["state"], one["is_well"]) for one in found["products"]} == {
            "limits": ("LOADED", True),
            "audit": ("FAILED", False),
        }
        assert synced("sync", "--last", "1").code == 0
        assert service.health()[0] == 200
        write("update clari.product_fetch set exported_at = now() - interval 50 hour where product = 'audit'")
        code, found = service.health()
        assert (code, [one["is_well"] for one in found["products"]]) == (503, [True, False])
        metrics = service.metrics()
        assert metrics[sample("clari_up")] == 0
        assert metrics[sample("clari_product_up", product="limits")] == 1
        assert metrics[sample("clari_product_up", product="audit")] == 0
        assert metrics[sample("clari_product_age_seconds", product="audit")] >= 50 * 3600
        assert sample("clari_product_last_success_timestamp_seconds", product="audit") in metrics
    with serving(CLARI_PRODUCTS="forecast", CLARI_MAX_AGE_HOURS="48") as service:
        assert (service.health()[0], service.health()[1]["products"]) == (200, [])
    write("update clari.export_job set exported_at = now() - interval 50 hour")
    with serving(CLARI_PRODUCTS="limits", CLARI_MAX_AGE_HOURS="48") as service:
        assert service.health()[0] == 200  # forecasts are not asked for


def test_a_document_from_elsewhere_is_no_successful_sync(synced: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that somebody merged by hand do not make a pipeline well that has never had an answer from Clari."""
    landed = Landing(synced.folder / "data/landing")
    (document,) = [found for found in landed if found.manifest["time_period_id"] == str(CURRENT)]
    Path("elsewhere.json").write_bytes(document.read())
    monkeypatch.setenv("CLARI_DATA_DIR", "other")
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", "duckdb:///other/warehouse.duckdb")
    words = ("replay", "--document", "elsewhere.json", "--forecast", "total_new", "--period", str(CURRENT))
    assert synced(*words).code == 0
    with serving() as service:
        code, found = service.health()
        assert (code, found["status"], found["newest_success"]) == (503, "never", None)
        (export,) = found["exports"]
        assert (export["state"], export["last_success_at"]) == ("LOADED", None)


def test_while_a_sync_holds_the_warehouse_the_last_answer_stands(synced: Terminal) -> None:
    """The picture is that of before, its age is that of now; who has seen nothing yet says busy until it can look."""
    with serving() as service:
        before, metrics_before = service.health(), service.metrics()
        with held_by_another_process(WAREHOUSE, first=NEW_ALERT), serving() as newcomer:
            code, found = service.health()
            assert (code, found["status"]) == (200, "ok")
            assert found["taken_at"] == before[1]["taken_at"]
            assert found["exports"][0]["exported_at"] == before[1]["exports"][0]["exported_at"]
            assert (found["newest_success"], found["alerts_unsent"]) == (before[1]["newest_success"], 0)
            metrics = service.metrics()
            age, read = sample("clari_newest_success_age_seconds"), sample("clari_warehouse_read_timestamp_seconds")
            assert metrics[age] > metrics_before[age]
            assert metrics[read] == metrics_before[read]

            code, found = newcomer.health()
            assert (code, found["status"], found["taken_at"], found["jobs_in_flight"]) == (503, "busy", None, None)
            assert newcomer.metrics() == {sample("clari_up"): 0}
        assert newcomer.process.exitcode == 0
        code, found = service.health()
        assert (code, found["taken_at"] > before[1]["taken_at"], found["alerts_unsent"]) == (200, True, 1)


def test_it_neither_disturbs_a_sync_nor_is_disturbed(terminal: Terminal) -> None:
    """Asked from two sides without a pause during the first sync: each answer is one of the two, and all is merged."""
    is_over = threading.Event()
    with serving() as service, ThreadPoolExecutor(2) as askers:

        def ask(path: str) -> set[int]:
            codes = set()
            with httpx.Client(base_url=service.address, timeout=60) as client:
                while not is_over.is_set():
                    answer = client.get(path)
                    assert "clari_up" in answer.text or answer.json()["status"] in {"never", "ok"}
                    codes.add(answer.status_code)
            return codes

        health, metrics = (askers.submit(ask, path) for path in ("/health", "/metrics"))
        try:
            answer = terminal("sync", "--last", "1")
        finally:
            is_over.set()
        assert answer.code == 0, answer.err
        assert health.result() <= {200, 503}
        assert metrics.result() == {200}
        code, found = service.health()
        assert (code, [export["state"] for export in found["exports"]]) == (200, ["LOADED"])


def make_junk() -> None:
    WAREHOUSE.write_bytes(b"no database" * 1000)


def make_folder() -> None:
    WAREHOUSE.mkdir()


def make_somebody_elses() -> None:
    write("create table customer (name varchar)")


def test_a_file_that_is_no_warehouse_is_one_line(terminal: Terminal) -> None:
    """503 with cause and remedy, and neither a traceback nor where on this machine it lies."""
    WAREHOUSE.parent.mkdir()
    wrong = []
    with serving() as service:
        for make in (make_junk, make_folder, make_somebody_elses):
            make()
            code, found = service.health()
            error = found["error"] or ""
            shown = [words for words in ("\n", "Traceback", str(terminal.folder)) if words in error]
            if (code, found["status"], "CLARI_WAREHOUSE_URL" in error, shown) != (503, "unreadable", True, []):
                wrong.append((make.__name__, code, found))
            if (metrics := service.metrics()) != {sample("clari_up"): 0}:
                wrong.append((make.__name__, metrics))
            WAREHOUSE.rmdir() if WAREHOUSE.is_dir() else WAREHOUSE.unlink()
    assert wrong == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(terminal: Terminal, number: signal.Signals) -> None:
    """Exit code 0 and not a word more, though a client keeps its connection open."""
    with started() as service, httpx.Client(base_url=service.address) as client:
        assert client.get("/health").status_code == 503
        service.process.send_signal(number)
        _, rest = service.process.communicate(timeout=30)
        assert (service.process.returncode, rest) == (0, "")


def test_an_address_that_cannot_be_had_is_one_line(terminal: Terminal) -> None:
    """A taken port is 1; a host or port that is wrong is 2, as every wrong setting."""
    with serving() as service:
        taken = terminal("serve-health", "--port", service.address.rpartition(":")[2])
    assert taken.code == 1
    assert "is taken" in taken.err
    assert "--port" in taken.err
    wrong = [
        terminal("serve-health", "--host", "192.0.2.1", "--port", "0"),
        terminal("serve-health", "--host", "no-such-host.invalid"),
        terminal("serve-health", "--host", "." * 3),
        terminal("serve-health", "--host", ""),
        terminal("serve-health", "--port", "65536"),
    ]
    for answer in wrong:
        assert answer.code == 2, answer.err
        assert "--host" in answer.err or "--port" in answer.err
    for answer in (taken, *wrong):
        assert len(answer.err.splitlines()) == 1


FRESH, OLD = timedelta(hours=1), timedelta(hours=27)
# Of north and south, in the current quarter and the one before: how old their figures are, and which are behind.
AGES: dict[str, tuple[dict[tuple[str, str], timedelta | None], tuple[str, ...], bool, list[str]]] = {
    "all fresh": ({("north", "Q4"): FRESH, ("north", "Q3"): FRESH}, ("north",), False, []),
    "only the past is fresh": ({("north", "Q4"): OLD, ("north", "Q3"): FRESH}, ("north",), False, ["north"]),
    "only the present is fresh": ({("north", "Q4"): FRESH, ("north", "Q3"): OLD}, ("north",), False, []),
    "another forecast is fresh": ({("north", "Q4"): OLD, ("south", "Q4"): FRESH}, (), False, ["north"]),
    "one that is synced no more": ({("north", "Q4"): OLD, ("south", "Q4"): FRESH}, ("south",), False, []),
    "never merged, and long begun": ({("north", "Q4"): None, ("north", "Q3"): FRESH}, ("north",), False, ["north"]),
    "never asked for, and long begun": ({("north", "Q3"): FRESH}, ("north",), False, ["north"]),
    "never merged, and just begun": ({("north", "Q4"): None, ("north", "Q3"): FRESH}, ("north",), True, []),
    "stale, though just begun": ({("north", "Q4"): OLD}, ("north",), True, ["north"]),
    "of which nothing ever came": ({("north", "Q4"): FRESH, ("south", "Q4"): None}, ("north", "south"), False, []),
}


def test_a_forecast_is_behind_where_its_current_quarter_is() -> None:
    """Whatever is fresh beside it."""
    now = datetime(2026, 11, 21, tzinfo=UTC)

    def check(case: str) -> None:
        ages, forecast_ids, is_new, behind = AGES[case]
        exports = tuple(
            ExportHealth(*which, state="LOADED", exported_at=None if age is None else now - age, loaded_at=now)
            for which, age in ages.items()
        )
        current = CurrentQuarter("Q4", forecast_ids, is_new)
        health = Health(now, now - timedelta(hours=26), 26, Snapshot(now, exports), current=current)
        assert (health.behind, health.status) == (behind, "stale" if behind else "ok")
        assert health.as_document()["behind"] == behind

    try_each(AGES, check)
    settings = read_settings(fiscal_year_start_month=2, quarter_grace_days=7, forecast_ids=("north",))
    for day, is_new in ((7, True), (8, False)):
        at = datetime(2026, 11, day, 12, tzinfo=UTC)
        current = CurrentQuarter.at(at, settings, settings.calendar)
        assert current == CurrentQuarter("2027_Q4", ("north",), is_new=is_new)
