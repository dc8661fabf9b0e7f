"""Give suites and verdicts to Great Expectations in its own classes, and have it build Data Docs of them."""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clari_pipeline.checks import library
from clari_pipeline.checks.data_docs import Batch, Expected, Judged

library.load()  # before its parts: it turns off telemetry, which is read at import

import great_expectations as gx  # noqa: E402
from great_expectations import ExpectationSuite  # noqa: E402
from great_expectations.core import (  # noqa: E402
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
    RunIdentifier,
)
from great_expectations.data_context.types.resource_identifiers import (  # noqa: E402
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration  # noqa: E402

_SITE = "clari"
_PAGES = "clari_pipeline.checks.data_docs_pages"
_NOT_IN_NAMES = re.compile(r"[^\w-]+", flags=re.ASCII)
_LONGEST_NAME = 80
_RAISED_NOTHING = {"raised_exception": False, "exception_message": None, "exception_traceback": None}


class _Failures(logging.Handler):
    """Keeps what Great Expectations logs of pages that it could not render, in place of its tracebacks on stderr."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.causes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error's class and message: they stand between an introduction and a traceback."""
        message = record.getMessage()
        self.causes.append(" ".join((message.partition("follows:")[2] or message).partition("Traceback")[0].split()))


def build(folder: Path, suites: Mapping[str, Sequence[Expected]], batches: Sequence[Batch]) -> list[str]:
    """Write every page into an empty folder. What Great Expectations cannot render it leaves out: returns why."""
    failures, log = _Failures(), logging.getLogger("great_expectations")
    log.addHandler(failures)
    try:
        _build(folder, suites, batches)
    finally:
        log.removeHandler(failures)
    return failures.causes


def _build(folder: Path, suites: Mapping[str, Sequence[Expected]], batches: Sequence[Batch]) -> None:
    context = gx.get_context(mode="ephemeral")
    context.add_data_docs_site(_SITE, _site(folder))
    for name, expectations in suites.items():
        # A suite refuses an expectation without its arguments: what is known as text stands in its meta.
        as_text = [_configuration(expected).meta for expected in expectations if expected.written]
        suite = ExpectationSuite(name=_file_name(name), meta={"written": as_text})
        for expected in expectations:
            if not expected.written:
                suite.add_expectation_configuration(_configuration(expected))
        context.suites.add(suite)
    results = context.stores[context.validation_results_store_name]
    for batch in batches:
        run = RunIdentifier(run_name=_file_name(batch.run_id), run_time=batch.run_at)
        by_suite = ExpectationSuiteIdentifier(_file_name(batch.suite))
        page = ValidationResultIdentifier(by_suite, run, _file_name(batch.name, batch.key))
        results.set(page, _result(batch, run))
    context.build_data_docs(site_names=[_SITE])


def _site(folder: Path) -> Any:
    """The configuration of a site whose pages are this package's renderers and views, with no buttons for beginners."""

    def page(renderer: str, view: str) -> dict[str, Any]:
        return {
            "class_name": "DefaultSiteSectionBuilder",
            "renderer": {"module_name": _PAGES, "class_name": renderer},
            "view": {"module_name": _PAGES, "class_name": view},
        }

    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.absolute())},
        "site_index_builder": {**page("Index", "IndexView"), "class_name": "DefaultSiteIndexBuilder"},
        "site_section_builders": {
            "expectations": page("Suite", "PageView"),
            "validations": page("Results", "PageView"),
            "profiling": "none",
        },
    }


def _result(batch: Batch, run: RunIdentifier) -> ExpectationSuiteValidationResult:
    """What a batch has come to. Of its `meta` the site builder hands `batch_spec` to the first page."""
    judged, passed = len(batch.verdicts), sum(verdict.passed for verdict in batch.verdicts)
    return ExpectationSuiteValidationResult(
        success=passed == judged,
        suite_name=_file_name(batch.suite),
        results=[_verdict(verdict) for verdict in batch.verdicts],
        statistics={
            "evaluated_expectations": judged,
            "successful_expectations": passed,
            "unsuccessful_expectations": judged - passed,
            "success_percent": 100 * passed / judged if judged else None,
        },
        meta={
            "run_id": run,
            "great_expectations_version": gx.__version__,
            "batch_spec": {"data_asset_name": batch.name, **batch.facts},
        },
    )


def _verdict(verdict: Judged) -> ExpectationValidationResult:
    return ExpectationValidationResult(
        success=verdict.passed,
        expectation_config=_configuration(verdict.expected),
        result={"observed_value": verdict.observed, "details": dict(verdict.evidence)},
        exception_info=dict(_RAISED_NOTHING),
    )


def _configuration(expected: Expected) -> ExpectationConfiguration:
    meta = {
        "check": expected.name,
        "explains": expected.explains,
        "severity": expected.severity,
        "written": expected.written,
    }
    return ExpectationConfiguration(expected.type, dict(expected.kwargs), meta=meta)


def _file_name(name: str, key: str = "") -> str:
    """The name as a file's: letters, digits, hyphens; with a hash where something was left out, or for a key."""
    plain = _NOT_IN_NAMES.sub("-", name).strip("-")[:_LONGEST_NAME]
    if plain == name and not key:
        return plain
    told_apart = hashlib.sha256(f"{name} {key}".encode()).hexdigest()[:12]
    return f"{plain}-{told_apart}".lstrip("-")
