"""Meetings, e-mails and attachments, with accounts, opportunities and participants: export jobs, as forecasts are."""

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
from clari_pipeline.sync.products.reading import ReadResult, Rows, Take, read_members
from clari_pipeline.sync.products.spec import RECORDS, ExportedProduct, Fetch
from clari_pipeline.sync.products.values import text, truth
from clari_pipeline.sync.products.windows import Window, WindowResult, length_that_works, too_long, wanted
from clari_pipeline.warehouse.session import Session

OVERLAP_DAYS = 7  # what happened is found in mailboxes, and mapped to opportunities, days later
QUIET_DAYS = 2  # on which nothing may have happened; on more, it is rather that the token's user may not see them
_AT_ONCE = 2000
_SLACK = timedelta(days=1)  # Clari goes by whole days, in whichever zone


class Activity(ExportedProduct):
    """`activity`, `activity_account`, `activity_opportunity`, `activity_participant`."""

    name = "activity"
    noun = "activities"
    tables: ClassVar[Mapping[str, str]] = {
        "activity": "One row a meeting, e-mail or attachment: an export job of the last days, which counts against "
        "the same quota as forecasts. Nothing is deleted because an export stopped showing it.",
        "activity_account": "One row an activity and account.",
        "activity_opportunity": "One row an activity and opportunity.",
        "activity_participant": "One row an activity and person who took part.",
    }
    checks = (*RECORDS, "export_is_not_truncated", "records_are_of_the_window")
    names_people = True
    has_parts = True

    def plan(self, session: Session, settings: Settings, now: datetime) -> list[Fetch]:
        """All days since `CLARI_ACTIVITY_DAYS` ago, or since the oldest document, that are not settled.

        They are asked for in windows of that many days and the overlap; where Clari has cut off days that are not
        settled yet, in windows as long as worked there.
        """
        asked = fetches.windows(session, self.name)
        shown = _results(asked)
        stretches = wanted(
            shown,
            today=now.astimezone(UTC).date(),
            days_back=settings.activity_days,
            overlap=OVERLAP_DAYS,
            asked_from=min((Window.of(row).first for row in asked), default=None),
        )
        longest = settings.activity_days + OVERLAP_DAYS + 1
        longest = min(longest, length_that_works(shown, stretches) or longest)
        cut_off = too_long(shown)
        return [
            Fetch.of_days(part)
            for stretch in stretches
            for window in stretch.cut(longest)
            for part in window.shorter_than(cut_off)
        ]

    def request(self, days: Window) -> ActivityRequest:
        """All activity of these days."""
        return ActivityRequest.between(days.first, days.last)

    def merge(self, session: Session, fetch: FetchRow, found: ReadResult) -> Merged:
        """What the document of these days does not show any more stays, and says so; one of other days says nothing."""
        merged = super().merge(session, fetch, found)
        if not fetch.is_adopted and (found.rows_exported or len(Window.of(fetch)) <= QUIET_DAYS):
            product_rows.no_longer_shown(session, fetch)
        return merged

    def warnings(self, session: Session, settings: Settings, fetches: Sequence[FetchRow]) -> list[Problem]:
        """That nothing came of so many days that the token's user may not see it."""
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

    def read(self, stream: io.BufferedReader, take: Take, fetch: FetchRow) -> ReadResult:
        """Some activities at a time."""
        found = ReadResult()
        outside: list[bool] = []
        odd: list[str] = []

        def read_some(activities: list[Any]) -> None:
            rows: Rows = {name: [] for name in self.tables}
            for activity in found.objects(activities, "records_without_key"):
                found.rows_exported += 1
                row = _activity(activity, found)
                if row["activity_id"] is None:
                    odd.append(f"an activity of {row['activity_at']}")
                    continue
                rows["activity"].append(row)
                if row["activity_at"] is not None:
                    outside.append(_is_outside(row["activity_at"], fetch))
                _add_parts(activity, row["activity_id"], rows, found)
            take(rows)

        read_members(stream, {"activities": read_some}, at_once=_AT_ONCE)
        found.note_left_out(odd)
        found.facts["other_windows"] = int(bool(outside) and all(outside))
        return found


def _results(asked: list[AskedWindow]) -> list[WindowResult]:
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
    return moment < fetch.window_from - _SLACK or moment >= fetch.window_to + 2 * _SLACK


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
        more = {"is_internal": truth(person.get("isInternal"))}
        _add(rows["activity_participant"], activity_id, row | more, "participant_id", found)


def _add(rows: list[dict[str, Any]], activity_id: str | None, row: dict[str, Any], key: str, found: ReadResult) -> None:
    """Add a part; one without its own id belongs to nothing, and is noted."""
    if not row[key]:
        found.note("parts_without_key", key, of=activity_id)
    else:
        rows.append({"activity_id": activity_id} | row)


SPEC = Activity()
