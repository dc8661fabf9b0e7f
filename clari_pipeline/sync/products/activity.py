"""Product `activity`: meetings, e-mails and attachments with their accounts, opportunities and participants.

Exported by jobs in windows of whole days, as forecasts are.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from clari_pipeline.clari.models import ActivityRequest
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import Problem
from clari_pipeline.store import fetches, product_rows
from clari_pipeline.store.fetches import AskedWindow
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.store.product_rows import Merged
from clari_pipeline.sync.products.reading import ReadResult, Rows, StageRows, read_members
from clari_pipeline.sync.products.spec import RECORDS, ExportedProduct, Fetch
from clari_pipeline.sync.products.values import boolean, text
from clari_pipeline.sync.products.windows import (
    Window,
    WindowResult,
    cut_off_windows,
    longest_whole_length,
    unsettled_stretches,
)
from clari_pipeline.warehouse.session import Session

OVERLAP_DAYS = 7  # Clari finds activities in mailboxes, and maps them to opportunities, days later
QUIET_DAYS = 2  # an empty window of so many days is plausible; a longer one suggests that the token's user lacks access
_RECORDS_PER_BATCH = 2000
_TOLERANCE = timedelta(days=1)  # Clari takes the day alone [spec], in an unknown time zone


class Activity(ExportedProduct):
    """`activity`, `activity_account`, `activity_opportunity`, `activity_participant`."""

    name = "activity"
    noun = "activities"
    tables: ClassVar[Mapping[str, str]] = {
        "activity": "One row per meeting, e-mail or attachment: an export job of the last days, which counts against "
        "the same quota as forecasts. Nothing is deleted because an export stopped showing it.",
        "activity_account": "One row per activity and account.",
        "activity_opportunity": "One row per activity and opportunity.",
        "activity_participant": "One row per activity and person who took part.",
    }
    checks = (*RECORDS, "export_is_not_truncated", "records_are_of_the_window")
    names_people = True
    has_parts = True

    def plan(self, session: Session, settings: Settings, now: datetime) -> list[Fetch]:
        """Windows of all unsettled days since `CLARI_ACTIVITY_DAYS` ago, or since the oldest window asked for.

        A window has at most that many days and the overlap. Where Clari cut off unsettled days, it is as short as
        `longest_whole_length` and `Window.split_below` find.
        """
        asked = fetches.windows(session, self.name)
        shown = _window_results(asked)
        stretches = unsettled_stretches(
            shown,
            today=now.astimezone(UTC).date(),
            days_back=settings.activity_days,
            overlap=OVERLAP_DAYS,
            requested_from=min((Window.of(row).first for row in asked), default=None),
        )
        longest = settings.activity_days + OVERLAP_DAYS + 1
        longest = min(longest, longest_whole_length(shown, stretches) or longest)
        cut_off = cut_off_windows(shown)
        return [
            Fetch.of_days(part)
            for stretch in stretches
            for window in stretch.split(longest)
            for part in window.split_below(cut_off)
        ]

    def request(self, days: Window) -> ActivityRequest:
        """The export request for all activity of these days."""
        return ActivityRequest.between(days.first, days.last)

    def merge(self, session: Session, fetch: FetchRow, found: ReadResult) -> Merged:
        """Merge, then mark rows of these days that the document no longer shows; they are kept.

        Nothing is marked by an adopted job, which may be of other days, nor by an empty document of more than two days.
        """
        merged = super().merge(session, fetch, found)
        if not fetch.is_adopted and (found.rows_exported or len(Window.of(fetch)) <= QUIET_DAYS):
            product_rows.no_longer_shown(session, fetch)
        return merged

    def warnings(self, session: Session, settings: Settings, fetches: Sequence[FetchRow]) -> list[Problem]:
        """Warn of windows so long and empty that the token's user may lack access."""
        return [
            Problem(
                None,
                None,
                f"{self.name}: Clari has nothing to show of {fetch.window_from:%Y-%m-%d} to "
                f"{fetch.window_to:%Y-%m-%d}, and is asked again: may the token's user see it?",
                "window_is_not_empty",
            )
            for fetch in fetches
            if fetch.state == "LOADED" and not fetch.rows_exported and len(Window.of(fetch)) > QUIET_DAYS
        ]

    def read(self, stream: io.BufferedReader, stage_rows: StageRows, fetch: FetchRow) -> ReadResult:
        """Read 2000 activities at a time."""
        found = ReadResult()
        outside: list[bool] = []
        keyless: list[str] = []

        def read_some(activities: list[Any]) -> None:
            rows: Rows = {name: [] for name in self.tables}
            for activity in found.objects(activities, "records_without_key"):
                found.rows_exported += 1
                row = _activity(activity, found)
                if row["activity_id"] is None:
                    keyless.append(f"an activity of {row['activity_at']}")
                    continue
                rows["activity"].append(row)
                if row["activity_at"] is not None:
                    outside.append(_is_outside(row["activity_at"], fetch))
                _add_parts(activity, row["activity_id"], rows, found)
            stage_rows(rows)

        read_members(stream, {"activities": read_some}, batch=_RECORDS_PER_BATCH)
        found.note_keyless(keyless)
        found.facts["other_windows"] = int(bool(outside) and all(outside))
        return found


def _window_results(asked: list[AskedWindow]) -> list[WindowResult]:
    return [
        WindowResult(
            Window.of(one), one.exported_at.astimezone(UTC).date(), is_whole=one.is_whole, is_final=one.is_final
        )
        for one in asked
        if one.is_whole or one.is_too_long
    ]


def _is_outside(moment: datetime, fetch: FetchRow) -> bool:
    if fetch.window_from is None or fetch.window_to is None:
        raise ValueError("the ledger has no window of this fetch")
    return moment < fetch.window_from - _TOLERANCE or moment >= fetch.window_to + 2 * _TOLERANCE


def _activity(activity: dict[str, Any], found: ReadResult) -> dict[str, Any]:
    return {
        "activity_id": text(activity.get("activityId")),
        "activity_type": text(activity.get("activityType")),
        "subject": text(activity.get("subject")),
        "activity_at": found.moment(activity.get("date")),
        "owner_crm_user_id": text(activity.get("activityOwnerId")),
        "organiser_crm_user_id": text(activity.get("activityOrganiserId")),
    }


def _add_parts(activity: dict[str, Any], activity_id: str | None, rows: Rows, found: ReadResult) -> None:
    for account in found.objects(activity.get("accounts"), "parts_without_key"):
        row = {
            "account_id": text(account.get("accountId")),
            "account_name": text(account.get("accountName")),
            "account_owner_crm_user_id": text(account.get("accountOwnerId")),
        }
        _add(rows["activity_account"], activity_id, row, "account_id", found)
    for deal in found.objects(activity.get("opportunities"), "parts_without_key"):
        row = {
            "opportunity_id": text(deal.get("opportunityId")),
            "opportunity_name": text(deal.get("opportunityName")),
            "opportunity_owner_crm_user_id": text(deal.get("opportunityOwnerId")),
        }
        _add(rows["activity_opportunity"], activity_id, row, "opportunity_id", found)
    for person in found.objects(activity.get("participants"), "parts_without_key"):
        name, email, crm_user_id = (text(person.get(key)) for key in ("name", "email", "sfdcUserId"))
        row = {"participant_id": email.strip().lower() if email else crm_user_id or name}
        row |= {"name": name, "email": email, "crm_user_id": crm_user_id}
        more = {"is_internal": boolean(person.get("isInternal"))}
        _add(rows["activity_participant"], activity_id, row | more, "participant_id", found)


def _add(rows: list[dict[str, Any]], activity_id: str | None, row: dict[str, Any], key: str, found: ReadResult) -> None:
    """Add a part to the rows; one without an id is left out, and noted for the gate."""
    if not row[key]:
        found.note("parts_without_key", key, of=activity_id)
    else:
        rows.append({"activity_id": activity_id} | row)


SPEC = Activity()
