"""Runs that are queued or running, and ticks that leave out what these bring."""

from collections.abc import Collection, Iterator, Mapping

import dagster as dg

from clari_pipeline.defs.origins import SYNC, UNDER_WAY, is_of_command_line
from clari_pipeline.sync.context import Context


def runs_under_way(instance: dg.DagsterInstance, sync: Context, job: str) -> list[dg.DagsterRun]:
    """The runs of a job that are queued or running in this environment (`CLARI_ENV`), without those of a command line
    whose process died.
    """
    return [
        run
        for run in instance.get_runs(dg.RunsFilter(job_name=job, statuses=list(UNDER_WAY)))
        if run.tags.get("clari/env") == sync.settings.env
        and (not is_of_command_line(run.tags) or sync.runs.is_alive(run.tags[SYNC]))
    ]


def unless_under_way(
    context: dg.ScheduleEvaluationContext, wanted: Mapping[str, dg.RunRequest], busy: Collection[str | None]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """The requests of a tick, by what each brings, without what is in `busy`; where nothing remains, a skip reason.

    A tick that requests some of them cannot skip the others with a reason: these are named in its log.
    """
    left_out = [name for name in wanted if name in busy]
    message = f"A run of {', '.join(left_out)} is queued or running already"
    if left_out and len(left_out) == len(wanted):
        yield dg.SkipReason(message)
    elif left_out:
        context.log.info(message)
    yield from (request for name, request in wanted.items() if name not in left_out)
