"""Delete old runs of this pipeline's jobs from Dagster's storage, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg

from clari_pipeline.config.settings import Settings
from clari_pipeline.defs.automation import APPLY_RETENTION, REFRESH_MARTS, SYNC_QUARTER, VERIFY_TABLES
from clari_pipeline.defs.data_docs import JOB as DATA_DOCS
from clari_pipeline.defs.graph import build
from clari_pipeline.defs.origins import SYNC, repository_of
from clari_pipeline.defs.products import JOB as PRODUCTS

_JOBS = (SYNC_QUARTER, REFRESH_MARTS, APPLY_RETENTION, VERIFY_TABLES, PRODUCTS, DATA_DOCS)
_MOST = 5_000  # runs in one call; the oldest first
_PAGE = 500
_QUARTER = "dagster/partition"
_TOLD_APART_BY = (_QUARTER, "clari/product")
_SUCCESS, _FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
_ENDED = [_SUCCESS, _FAILURE, dg.DagsterRunStatus.CANCELED]


class RunRetention:
    """Finds and deletes runs that were created more than `CLARI_RUN_RETENTION_DAYS` ago and have ended.

    Kept, however old: the runs of the newest materialization of each asset and partition, of the newest result of each
    check and partition, and the newest success and failure of each job and quarter or product. Runs of other code
    locations, and of no job ("Materialize" in the asset graph), are left alone.
    """

    def __init__(self, instance: dg.DagsterInstance, settings: Settings, now: datetime) -> None:
        self._instance = instance
        self._settings = settings
        self._before = now - timedelta(days=settings.run_retention_days)
        self._label = repository_of(instance, settings.dagster_location).get_label()

    def old_runs(self) -> list[str]:
        """The ids of the runs that `delete` would delete, the oldest first; at most 5,000."""
        candidates = sorted(
            (record for job in _JOBS for record in self._ended_before(job)), key=lambda record: record.create_timestamp
        )
        kept = self._with_newest_events() if candidates else set()
        newest: dict[tuple[str | None, ...], set[str]] = {}
        found = []
        for record in candidates:
            run = record.dagster_run
            group = (run.job_name, *(run.tags.get(tag) for tag in _TOLD_APART_BY))
            if group not in newest:
                newest[group] = set(self._newest_of(run))
            if run.run_id not in kept | newest[group]:
                found.append(run.run_id)
        return found[:_MOST]

    def delete(self) -> int:
        """Delete the old runs with their events; returns their number."""
        found = self.old_runs()
        # Dagster's SQLite has a file a run, which it empties and leaves.
        file_of: Any = getattr(self._instance.event_log_storage, "path_for_shard", None)
        for run_id in found:
            self._instance.delete_run(run_id)
            if file_of is not None:
                for suffix in ("", "-wal", "-shm"):
                    Path(file_of(run_id) + suffix).unlink(missing_ok=True)
        return len(found)

    def _ended_before(self, job: str) -> Iterator[Any]:
        """The records of our runs of a job that ended, and were created before the moment, the oldest first."""
        ended = dg.RunsFilter(job_name=job, statuses=_ENDED, created_before=self._before)
        cursor: str | None = None
        found = 0
        while found < 2 * _MOST:
            page = self._instance.get_run_records(ended, limit=_PAGE, ascending=True, cursor=cursor)
            yield from (record for record in page if self._is_ours(record.dagster_run))
            if len(page) < _PAGE:
                return
            found, cursor = found + len(page), page[-1].dagster_run.run_id

    def _is_ours(self, run: dg.DagsterRun) -> bool:
        """Whether it ran in this code location; the command line's runs of up to 0.1 name none."""
        origin = run.remote_job_origin
        return SYNC in run.tags if origin is None else origin.repository_origin.get_label() == self._label

    def _newest_of(self, run: dg.DagsterRun) -> Iterator[str]:
        """The newest success and failure of a run's job, and of its quarter or product."""
        tags = {tag: run.tags[tag] for tag in _TOLD_APART_BY if tag in run.tags}
        for status in (_SUCCESS, _FAILURE):
            alike = dg.RunsFilter(job_name=run.job_name, statuses=[status], tags=tags)
            # Of another code location's job of that name there may be newer ones.
            newest = filter(self._is_ours, self._instance.get_runs(alike, limit=_PAGE))
            yield from (one.run_id for one in islice(newest, 1))

    def _with_newest_events(self) -> set[str]:
        """The runs that hold the newest materialization, or the newest result of a check, of an asset's partition."""
        instance = self._instance
        definitions = build(self._settings)
        defined = (*(definitions.assets or ()), *(definitions.asset_checks or ()))
        assets = [one for one in defined if isinstance(one, dg.AssetsDefinition)]
        kept = {
            info.latest_planned_run_id
            for info in instance.event_log_storage.get_asset_check_partition_info(
                [key for one in assets for key in one.check_keys]
            )
        }
        for key in {key for one in assets for key in one.keys}:
            for partition in instance.get_materialized_partitions(key):
                of_partition = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
                kept |= {one.run_id for one in instance.fetch_materializations(of_partition, limit=1).records}
            if (newest := instance.get_latest_materialization_event(key)) is not None:
                kept.add(newest.run_id)
        return kept
