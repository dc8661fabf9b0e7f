"""Great Expectations' Data Docs: a site of its suites and validation results, made of verdicts that are known already.

Nothing is judged here. The site is files alone: its pages load nothing from a network, and run no script.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from clari_pipeline.checks import library
from clari_pipeline.core.runbook import PipelineError

INDEX = "index.html"
_SITE = "clari"
_SECTIONS = ("expectations", "validations")
_PAGES = "clari_pipeline.checks.data_docs_pages"
_LOCK_TIMEOUT_S = 60
_NO_NAME = re.compile(r"[^\w-]+", flags=re.ASCII)
_LONGEST_NAME = 80


class DataDocsError(PipelineError):
    """The site could not be made, and stays as it was. The message is one line: cause and remedy."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One expectation of a suite: `type` and `kwargs` are Great Expectations', `explains` says for people what it is.

    `severity` is `ERROR` or `WARN`.
    """

    name: str
    type: str
    kwargs: Mapping[str, Any]
    explains: str
    severity: str

    @property
    def meta(self) -> dict[str, str]:
        """What its suite's file keeps of it."""
        return {"check": self.name, "explains": self.explains, "severity": self.severity}


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
    there are deleted last. An exclusive file lock keeps two processes apart. Raises `DataDocsError`,
    `library.LibraryError`, or OSError where the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            FileLock(folder.with_name(f".{folder.name}.lock"), timeout=_LOCK_TIMEOUT_S),
            tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary,
        ):
            _build(Path(temporary), suites, batches)
            _replace(Path(temporary), folder)
    except Timeout:
        raise DataDocsError(
            f"{folder} was not made anew, another process is making it: wait for that, or run again"
        ) from None
    return folder / INDEX


def _build(folder: Path, suites: Mapping[str, Sequence[Expected]], batches: Sequence[Batch]) -> None:
    """Have Great Expectations write the site. It logs what it cannot render, and goes on: so pages are counted."""
    library.load()
    import great_expectations as gx  # noqa: PLC0415 - imported by `library`
    from great_expectations import ExpectationSuite  # noqa: PLC0415
    from great_expectations.core import (  # noqa: PLC0415
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
        RunIdentifier,
    )
    from great_expectations.data_context.types.resource_identifiers import (  # noqa: PLC0415
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration  # noqa: PLC0415

    def configuration(expected: Expected) -> ExpectationConfiguration:
        return ExpectationConfiguration(expected.type, dict(expected.kwargs), meta=expected.meta)

    def page(renderer: str, view: str) -> Any:
        return {
            "class_name": "DefaultSiteSectionBuilder",
            "renderer": {"module_name": _PAGES, "class_name": renderer},
            "view": {"module_name": _PAGES, "class_name": view},
        }

    try:
        context = gx.get_context(mode="ephemeral")
        context.add_data_docs_site(
            _SITE,
            {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.absolute())},
                "site_index_builder": {**page("Index", "IndexView"), "class_name": "DefaultSiteIndexBuilder"},
                "site_section_builders": {
                    "expectations": page("Suite", "PageView"),
                    "validations": page("Results", "PageView"),
                    "profiling": "none",
                },
            },
        )
        for name, expectations in suites.items():
            suite = ExpectationSuite(name=_file_name(name))
            for expected in expectations:
                suite.add_expectation_configuration(configuration(expected))
            context.suites.add(suite)
        results = context.stores[context.validation_results_store_name]
        for batch in batches:
            run = RunIdentifier(run_name=_file_name(batch.run_id), run_time=batch.run_at)
            passed = sum(verdict.passed for verdict in batch.verdicts)
            results.set(
                ValidationResultIdentifier(
                    ExpectationSuiteIdentifier(_file_name(batch.suite)), run, _file_name(batch.name, batch.key)
                ),
                ExpectationSuiteValidationResult(
                    success=passed == len(batch.verdicts),
                    suite_name=_file_name(batch.suite),
                    results=[
                        ExpectationValidationResult(
                            success=verdict.passed,
                            expectation_config=configuration(verdict.expected),
                            result={"observed_value": verdict.observed, "details": dict(verdict.evidence)},
                            exception_info={
                                "raised_exception": False,
                                "exception_message": None,
                                "exception_traceback": None,
                            },
                        )
                        for verdict in batch.verdicts
                    ],
                    statistics={
                        "evaluated_expectations": len(batch.verdicts),
                        "successful_expectations": passed,
                        "unsuccessful_expectations": len(batch.verdicts) - passed,
                        "success_percent": 100 * passed / len(batch.verdicts) if batch.verdicts else None,
                    },
                    meta={
                        "run_id": run,
                        "great_expectations_version": gx.__version__,
                        "batch_spec": {"data_asset_name": batch.name, **batch.facts},
                    },
                ),
            )
        context.build_data_docs(site_names=[_SITE])
    except OSError:
        raise
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise DataDocsError(f"Great Expectations cannot write Data Docs: {type(error).__name__}: {first}") from error
    written = {section: len(list((folder / section).rglob("*.html"))) for section in _SECTIONS}
    if written != {"expectations": len(suites), "validations": len(batches)} or not (folder / INDEX).read_bytes():
        raise DataDocsError(
            f"Great Expectations left out pages of Data Docs: {written} of {len(suites)} suites and {len(batches)} "
            "results; what it has logged says why"
        )


def _replace(new: Path, folder: Path) -> None:
    """Rename the new pages into place, the first page last; then delete pages that are no longer there."""
    pages = {file.relative_to(new) for section in _SECTIONS for file in (new / section).rglob("*.html")}
    for page in (*sorted(pages), Path(INDEX)):
        place = folder / page
        place.parent.mkdir(parents=True, exist_ok=True)
        (new / page).replace(place)
    for section in _SECTIONS:
        for old in [*(folder / section).rglob("*.html")]:
            if old.relative_to(folder) not in pages:
                old.unlink()
        for left in sorted((folder / section).rglob("*/"), reverse=True):
            if not any(left.iterdir()):
                left.rmdir()


def _file_name(name: str, key: str = "") -> str:
    """The name as a file's: letters, digits, hyphens; with a hash where something was left out, or for a key."""
    plain = _NO_NAME.sub("-", name).strip("-")[:_LONGEST_NAME]
    if plain == name and not key:
        return plain
    told_apart = hashlib.sha256(f"{name} {key}".encode()).hexdigest()[:12]
    return f"{plain}-{told_apart}".lstrip("-")
