"""Relational documents of any size, as Clari sends them, the same for the same seed.

An entry is some 329 bytes; there are ten fields and thirteen weeks for each person, and the last person may have fewer.
A fifth of the calls were entered by nobody in their week, and say neither by whom nor when.
"""

import argparse
import json
import mmap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from clari_pipeline.core.periods import FiscalCalendar, Quarter

FIELDS = (
    "Commit", "Best Case", "Most Likely", "Pipeline", "New Business", "Expansion", "Renewal", "Services", "Downside",
    "Upside",
)  # fmt: skip
WEEKS = 13
_REPORTS = 8  # people who report to one
_AT_ONCE = 100_000  # entries made at once: some 33 MB
_FIRST_USER = 190_000

# Amounts are whole cents until they are written, so that no double rounds them.
_ENTRIES = """
with place as (
    select
        number,
        $fields[number % $field_count + 1] as field_id,
        (number // $field_count) % $weeks + 1 as week,
        $first_user + number // ($field_count * $weeks) as person,
        hash(number, $seed, 5) % 1000000 < $changed_per_million as is_changed
    from range($first, $last) as numbers(number)
),
amount as (
    select
        *,
        hash(number, $seed, 1) % 100000000 + if(is_changed, 123400, 0) as forecast,
        (hash(person, $seed, 2) % 90 + 10) * 1000000 as quota,
        hash(number, $seed, 3) % 200000000 as crm_total,
        hash(number, $seed, 4) % 50000000 as crm_closed,
        $updated_at + (number % 86400000) + if(is_changed, 86400000, 0) as updated_on,
        is_changed or hash(number, $seed, 6) % 5 > 0 as is_updated
    from place
)
select string_agg(
    format(
        '{{"fieldId":"{}","timeFrameId":"W{:02d}","timePeriodId":"{}","userId":"{}:100","scopeId":"{}::MGR",'
        || '"forecastValue":{}.{:02d},"isUpdated":{},"quotaValue":{}.0,'
        || '"adjustmentValue":0.0,"crmTotal":{}.{:02d},"crmClosed":{}.{:02d},'
        || '"currency":{{"code":"USD","symbol":"$"}}}}',
        field_id, week, $period, person, person,
        forecast // 100, forecast % 100,
        if(is_updated, format('true,"updatedBy":"{}:100","updatedOn":{}', person, updated_on), 'false'), quota // 100,
        crm_total // 100, crm_total % 100, crm_closed // 100, crm_closed % 100
    ),
    ',' order by number
)
from amount
"""


def write_document(
    file: Path, entries: int, *, quarter: str = "2025_Q4", seed: int = 1, changed_share: float = 0.0
) -> None:
    """Write a document of so many entries of one quarter.

    `changed_share` (0 to 1) of the forecast values are 1,234.00 more than in the document of the same seed without it.
    """
    first_day = FiscalCalendar().first_day(Quarter.parse(quarter))
    field_ids = [f"fc:{name.lower().replace(' ', '_')}" for name in FIELDS]
    more = {
        "fields": field_ids,
        "field_count": len(FIELDS),
        "weeks": WEEKS,
        "first_user": _FIRST_USER,
        "seed": seed,
        "changed_per_million": round(changed_share * 1_000_000),
        "updated_at": int(datetime.combine(first_day, datetime.min.time(), UTC).timestamp()) * 1000,
        "period": quarter,
    }
    period = {
        "timePeriodId": quarter,
        "type": "QUARTER",
        "label": f"{quarter[-2:]} FY {quarter[:4]}",
        "year": quarter[:4],
        "startDate": f"{first_day}",
        "endDate": f"{FiscalCalendar().last_day(Quarter.parse(quarter))}",
        "crmId": "0268Z0000008107",
    }
    weeks = [first_day + timedelta(weeks=number) for number in range(WEEKS)]
    lists = {
        "fields": [
            {"fieldId": field_id, "fieldName": name, "fieldType": "FORECAST"}
            for field_id, name in zip(field_ids, FIELDS, strict=True)
        ],
        "users": [_person(number) for number in range(-(-entries // (WEEKS * len(FIELDS))))],
        "timePeriods": [period],
        "timeFrames": [
            {"timeFrameId": f"W{number:02d}", "startDate": f"{day}", "endDate": f"{day + timedelta(days=6)}"}
            for number, day in enumerate(weeks, start=1)
        ],
    }
    with file.open("wb") as out, duckdb.connect() as connection:
        out.write(b'{"entries":[')
        for first in range(0, entries, _AT_ONCE):
            last = min(first + _AT_ONCE, entries)
            row = connection.execute(_ENTRIES, {**more, "first": first, "last": last}).fetchall()[0]
            out.write(b"," if first else b"")
            out.write(row[0].encode())
        out.write(b"]," + json.dumps(lists, separators=(",", ":"))[1:].encode())


def write_entries_alone(document: Path, file: Path) -> None:
    """Write the bytes of a generated document's `entries` array, brackets included, and nothing else."""
    with document.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as text:
        first, last = text.find(b"["), text.rfind(b'],"fields":[') + 1
        with file.open("wb") as out:
            for place in range(first, last, 1 << 20):
                out.write(text[place : min(place + (1 << 20), last)])


def _person(number: int) -> dict[str, str]:
    """Everybody but the first reports to somebody."""
    parent = (number - 1) // _REPORTS
    return {
        "userId": f"{_FIRST_USER + number}:100",
        "name": f"Person {number}",
        "email": f"person.{number}@northwind.example",
        "crmId": f"005{number:012d}AAI",
        "scopeId": f"{_FIRST_USER + number}::MGR",
        "hierarchyId": f"00E{number}",
        "hierarchyName": f"Role {number}",
        "parentHierarchyId": f"00E{parent}" if number else "",
        "parentHierarchyName": f"Role {parent}" if number else "",
    }


def main() -> None:
    """Write a document, and beside it its entries alone: in a process of its own, whose memory is nobody else's."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("entries", type=int)
    parser.add_argument("--quarter", default="2025_Q4")
    parser.add_argument("--changed-share", type=float, default=0.0)
    parser.add_argument("--alone", type=Path, help="Where the entries alone go.")
    asked = parser.parse_args()
    write_document(asked.file, asked.entries, quarter=asked.quarter, changed_share=asked.changed_share)
    if asked.alone:
        write_entries_alone(asked.file, asked.alone)


if __name__ == "__main__":
    main()
