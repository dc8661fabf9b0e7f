"""Great Expectations' Data Docs: a site of its suites and validation results, made of verdicts that are known already.

Nothing is judged here. The site is files alone: its pages load nothing from a network, and run no script.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from clari_pipeline.checks import library
from clari_pipeline.core.runbook import PipelineError

INDEX = "index.html"
"""The first page."""

SECTIONS = ("expectations", "validations")
_LOCK_TIMEOUT_S = 60


class DataDocsError(PipelineError):
    """The site could not be made, and stays as it was. The message is one line: cause and remedy."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One expectation of a suite: `type` and `kwargs` are Great Expectations', `explains` says for people what it is.

    `severity` is `ERROR` or `WARN`. Where the arguments of a verdict are not known any more, `written` is the
    expectation as text, which Great Expectations would write from them.
    """

    name: str
    type: str
    kwargs: Mapping[str, Any]
    explains: str
    severity: str
    written: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict: what was expected, whether it held, the value observed, and evidence as JSON types."""

    expected: Expected
    passed: bool
    observed: Any
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """The verdicts by one suite on one export, or on one table: a page. `name` and `facts` describe it for people.

    `key` tells it from the other batches of its run.
    """

    suite: str
    name: str
    key: str
    run_id: str
    run_at: datetime
    verdicts: Sequence[Judged]
    facts: Mapping[str, str] = field(default_factory=dict)


def write(folder: Path, suites: Mapping[str, Sequence[Expected]], batches: Sequence[Batch]) -> Path:
    """Write the site of these suites and batches into a folder; returns the path of its first page.

    Each page is replaced atomically, the first page after those that it links to; pages of batches that are no longer
    there are deleted last. An exclusive file lock keeps two processes apart. Raises `DataDocsError`, or
    OSError where the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}")
    try:
        with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=_LOCK_TIMEOUT_S):
            shutil.rmtree(temporary, ignore_errors=True)  # of a killed process
            try:
                _build(temporary, suites, batches)
                _replace(temporary, folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except Timeout:
        raise DataDocsError(
            f"{folder} was not made anew, another process is making it: wait for that, or run again"
        ) from None
    return folder / INDEX


def _build(folder: Path, suites: Mapping[str, Sequence[Expected]], batches: Sequence[Batch]) -> None:
    """Have Great Expectations write the site. It goes on where it cannot render a page: so they are counted."""
    try:
        library.load()
        from clari_pipeline.checks.data_docs_site import build  # noqa: PLC0415 - it imports the library

        causes = build(folder, suites, batches)
    except library.LibraryError as error:
        raise DataDocsError(f"{error}: install clari-pipeline anew") from error
    except OSError:
        raise
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise DataDocsError(f"Great Expectations cannot write Data Docs: {type(error).__name__}: {first}") from error
    pages = {section: len(list((folder / section).rglob("*.html"))) for section in SECTIONS}
    if pages != {"expectations": len(suites), "validations": len(batches)} or not (folder / INDEX).stat().st_size:
        raise DataDocsError(
            f"Great Expectations left out pages of Data Docs: it wrote {pages}, of {len(suites)} suites and "
            f"{len(batches)} results: {next(iter(causes), 'it does not say why')}"
        )


def _replace(new: Path, folder: Path) -> None:
    """Rename the new pages into place, the first page last; then delete pages that are no longer there."""
    pages = {file.relative_to(new) for section in SECTIONS for file in (new / section).rglob("*.html")}
    for page in (*sorted(pages), Path(INDEX)):
        place = folder / page
        place.parent.mkdir(parents=True, exist_ok=True)
        (new / page).replace(place)
    for section in SECTIONS:
        for old in [*(folder / section).rglob("*.html")]:
            if old.relative_to(folder) not in pages:
                old.unlink()
        for left in sorted((folder / section).rglob("*/"), reverse=True):
            if not any(left.iterdir()):
                left.rmdir()
