"""Data Docs from the command line and in Dagster: no browser here, whose event loop would be in a sync's way."""

from pathlib import Path

import dagster as dg
import pytest

from clari_pipeline.config.settings import read_settings
from clari_pipeline.core.runbook import anchor
from clari_pipeline.defs.graph import build
from clari_pipeline.sandbox import Sandbox
from tests.helpers.house import House, document, entry, moment
from tests.helpers.listeners import address, web_listeners
from tests.helpers.postgres_server import prepared_database, shared
from tests.helpers.terminal import Terminal

INDEX = "data/data_docs/index.html"


def test_the_command_writes_the_site_and_prints_where(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync never does; once the site is there, alerts name its path."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    sandbox.scenario = "duplicates_conflict"
    with web_listeners() as listen:
        told = listen("accepts")
        monkeypatch.setenv("CLARI_ALERT_URLS", address(told))
        terminal("sync", "--last", "2")
        assert not Path(INDEX).exists()
        assert terminal("quality").out == f"{INDEX}\n"
        assert "entry_keys_are_unique" in Path(INDEX).read_text(encoding="utf-8")
        monkeypatch.setenv("CLARI_ALERT_REPEAT_HOURS", "0")
        sandbox.scenario = "unreadable_amount"
        terminal("sync", "--last", "2")
        before, after = (str(received) for received in told.received)
    assert (str(Path(INDEX).absolute()) in before, str(Path(INDEX).absolute()) in after) == (False, True)
    assert "amounts_are_readable" not in Path(INDEX).read_text(encoding="utf-8"), "the sync has not made it"


def test_what_keeps_it_from_being_written_is_one_line(terminal: Terminal) -> None:
    Path("data").mkdir()
    Path("data/data_docs").write_text("a file in its place")
    answer = terminal("quality")
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert answer.err.rstrip().endswith(f"({anchor('os_error')})")


def test_in_dagster_it_has_a_job_that_follows_the_marts(terminal: Terminal) -> None:
    """But not those of a sync on the command line."""
    terminal.begin_after("sync")
    definitions = build(read_settings())
    with dg.DagsterInstance.from_config(str(terminal.folder / "dagster_home")) as instance:
        done = definitions.resolve_job_def("data_docs").execute_in_process(instance=instance)
        (made,) = done.asset_materializations_for_node("clari__data_docs")
        assert made.metadata["path"].value == str(Path(INDEX).absolute())
        assert made.metadata["results"].value == 2
        sensor = definitions.resolve_sensor_def("data_docs_follow_the_marts")
        for tags, follows in (({}, True), ({"clari/sync": "run"}, False)):
            run = instance.create_run_for_job(definitions.resolve_job_def("refresh_marts"), tags=tags)
            instance.report_dagster_event(
                dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, job_name="refresh_marts"), run.run_id
            )
            event = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_SUCCESS)[0].dagster_event
            context = dg.build_run_status_sensor_context(
                sensor_name=sensor.name, dagster_event=event, dagster_instance=instance, dagster_run=run
            )
            assert isinstance(sensor(context), dg.RunRequest) == follows


def test_it_is_read_from_a_server(tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    with prepared_database(shared()) as url:
        house = House(tmp_path / "data", url=url)
        house.bring(document(entry("ann", call=1), entry("ann", call=2)), moment(10, 2))
        monkeypatch.setenv("CLARI_WAREHOUSE_URL", url)
        answer = terminal("quality")
    assert answer.code == 0, answer.err
    assert "entry_keys_are_unique" in Path(INDEX).read_text(encoding="utf-8")
