"""Who started a sync: a person at a terminal or in Dagster's page, or a schedule."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from clari_pipeline.defs.resources import context_resource
from clari_pipeline.sync.context import Context
from tests.helpers.terminal import Terminal


def test_a_sync_is_of_a_person_where_it_was_typed_at_a_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cron has no terminal."""
    controller, terminal_end = os.openpty()
    with os.fdopen(terminal_end) as typed, Path(os.devnull).open() as nothing:
        for stdin, started_by in ((nothing, "schedule"), (typed, "person")):
            monkeypatch.setattr(sys, "stdin", stdin)
            assert terminal("sync", "--last", "1").code == 0
            newest = "select started_by from clari.export_job order by submitted_at desc limit 1"
            assert terminal.query(newest) == [(started_by,)]
    os.close(controller)


@pytest.mark.parametrize(
    ("tags", "started_by"),
    [
        ({"dagster/schedule_name": "daily_sync_schedule"}, "schedule"),
        ({"dagster/sensor_name": "refresh"}, "schedule"),
        ({}, "person"),
    ],
)
def test_a_run_of_dagster_is_of_the_schedule_that_its_tags_name(
    terminal: Terminal, tags: Mapping[str, str], started_by: str
) -> None:
    assert terminal

    @dg.op(required_resource_keys={"sync_context"})
    def look(context: dg.OpExecutionContext) -> str:
        found: Context = context.resources.sync_context
        return found.started_by or ""

    @dg.job(resource_defs={"sync_context": context_resource})
    def looking() -> None:
        look()

    assert looking.execute_in_process(tags=tags).output_for_node("look") == started_by
