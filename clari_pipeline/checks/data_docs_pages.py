"""The pages of Data Docs, by Great Expectations' renderers and views, which its site builder loads from here by name.

Renderers decide what stands on a page: what failed comes first, with its evidence as tables. Views decide how it looks:
their templates stand in `templates/`, load nothing from a network, and escape every value, as names from a CRM are
untrusted.
"""

import html
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import jinja2
from markupsafe import Markup

from clari_pipeline.checks import library
from clari_pipeline.core.safe_text import printable

library.load()  # before its parts: it turns off telemetry, which is read at import

from great_expectations.core import (  # noqa: E402
    ExpectationSuite,
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration  # noqa: E402
from great_expectations.render.components import (  # noqa: E402
    CollapseContent,
    RenderedContent,
    RenderedDocumentContent,
    RenderedHeaderContent,
    RenderedSectionContent,
    RenderedStringTemplateContent,
    RenderedTableContent,
    TextContent,
)
from great_expectations.render.renderer.content_block.expectation_string import (  # noqa: E402
    ExpectationStringRenderer,
)
from great_expectations.render.renderer.content_block.validation_results_table_content_block import (  # noqa: E402
    ValidationResultsTableContentBlockRenderer,
)
from great_expectations.render.renderer.page_renderer import (  # noqa: E402
    ExpectationSuitePageRenderer,
    ValidationResultsPageRenderer,
)
from great_expectations.render.renderer.site_index_page_renderer import SiteIndexPageRenderer  # noqa: E402
from great_expectations.render.view.view import DefaultJinjaIndexPageView, DefaultJinjaPageView  # noqa: E402

_SEVERITIES = {"ERROR": "error", "WARN": "warning"}
_COLUMNS = ("Expectation", "Observed value")
_MOST_ROWS = 100  # of evidence, so that a page stays small
_NOTHING = "–"
_HEADINGS = {"h5": "h2", "h6": "h3"}  # of Great Expectations: no level is left out


class Results(ValidationResultsPageRenderer):
    """A page of validation results: the overview, what failed with its evidence, then what passed."""

    def render(
        self, validation_results: ExpectationSuiteValidationResult, suite_parameters: Any = None
    ) -> RenderedDocumentContent:
        """Render one batch."""
        overview = ExpectationSuiteValidationResult(
            success=bool(validation_results.success),
            results=[],
            suite_name=validation_results.suite_name,
            statistics=validation_results.statistics,
            meta=validation_results.meta,
        )
        document: RenderedDocumentContent = super().render(overview, suite_parameters)
        failed = [found for found in validation_results.results if not found.success]
        passed = [found for found in validation_results.results if found.success]
        failed.sort(key=lambda found: _meta(found)["severity"] != "ERROR")
        document.sections = [*document.sections[:1], *map(_failure, failed), *([_passes(passed)] if passed else [])]
        return document


class Suite(ExpectationSuitePageRenderer):
    """A page of a suite: each expectation by name, in words, and what follows where it is not met."""

    def render(self, expectations: ExpectationSuite | dict[str, Any]) -> RenderedDocumentContent:
        """Render one suite."""
        suite = ExpectationSuite(**expectations) if isinstance(expectations, dict) else expectations
        written = [(meta, meta["written"]) for meta in (suite.meta or {}).get("written", [])]
        others = [
            (_meta_of(one), ExpectationStringRenderer.render(_with_integers(one)))
            for one in (expectation.configuration for expectation in suite.expectations)
        ]
        rows = [[_named(meta), cell, _SEVERITIES[meta["severity"]]] for meta, cell in (*others, *written)]
        return RenderedDocumentContent(
            sections=[_section("Expectations", _stacked(rows, ["Check", "Expectation", "If not met"]))],
            renderer_type="ExpectationSuitePageRenderer",
            page_title=suite.name,
            expectation_suite_name=suite.name,
        )


class Index(SiteIndexPageRenderer):
    """The first page: the results of the newest runs, then the suites."""

    @classmethod
    def render(cls, index_links_dict: Mapping[str, Any]) -> RenderedDocumentContent:
        """Render the links that the site builder has collected, the newest run first."""
        results = index_links_dict.get("validations_links", [])
        results = sorted(results, key=lambda link: (link["asset_name"], link["filepath"]))
        results.sort(key=lambda link: link["run_time"], reverse=True)  # stable: by name within a run
        rows = [
            [
                _link(link["batch_spec"]["data_asset_name"], link["filepath"]),
                _outcome(link["batch_spec"]),
                link["batch_spec"].get("state", _NOTHING),
                _moment(link["run_time"]),
                _link(link["expectation_suite_name"], link["expectation_suite_filepath"]),
            ]
            for link in results
        ]
        suites = [
            [_link(link["expectation_suite_name"], link["filepath"])]
            for link in index_links_dict.get("expectations_links", [])
        ]
        shown = (
            _stacked(rows, ["Judged", "Checks", "State", "Run", "Suite"])
            if rows
            else TextContent(["Nothing was judged yet: run clari-pipeline sync, then clari-pipeline quality again."])
        )
        return RenderedDocumentContent(
            sections=[
                _section("Validation results", shown),
                _section("Expectation suites", _stacked(suites, ["Suite"])),
            ],
            renderer_type="SiteIndexPageRenderer",
            page_title="Data Docs",
        )


class _Offline(DefaultJinjaPageView):
    """A view whose templates are this package's, and Great Expectations' where there is none; every value is escaped.

    The library's own filters return markup as plain text, and templates of another ending than `.html` are not escaped.
    """

    def __init__(self, **directories: Any) -> None:
        super().__init__(**directories)
        own = jinja2.PackageLoader("clari_pipeline.checks")
        assert self.env.loader is not None
        self.env.loader = jinja2.ChoiceLoader([own, self.env.loader])
        self.env.autoescape = True
        self.env.trim_blocks = self.env.lstrip_blocks = True
        self.env.globals["style"] = Markup(own.get_source(self.env, "data_docs.css")[0])  # noqa: S704 - our own
        for name in ("render_styling", "render_styling_from_string_template", "render_markdown"):
            self.env.filters[name] = _as_markup(self.env.filters[name])

    def render(self, document: RenderedDocumentContent, template: str | None = None, **options: Any) -> str:
        """Render a page, without characters that do something to a screen."""
        page: Any = super().render
        return printable(page(document, template, **options))

    @jinja2.pass_context
    def render_content_block(self, jinja_context: Any, content_block: Any, *args: Any, **options: Any) -> Any:
        """Render a block, or several; what is none is text."""
        if isinstance(content_block, list):
            blocks = (self.render_content_block(jinja_context, block, *args, **options) for block in content_block)
            return Markup("\n").join(blocks)
        if not isinstance(content_block, dict):
            return _NOTHING if content_block is None else content_block
        return Markup(super().render_content_block(jinja_context, content_block, *args, **options))  # noqa: S704

    def render_string_template(self, template: Any) -> Any:
        """Render a text with parameters; Great Expectations escapes these, and not the text itself."""
        if not isinstance(template, dict):
            return template
        tag = template.get("tag", "span")
        escaped = template | {
            "template": html.escape(template.get("template", ""), quote=False),
            "tag": _HEADINGS.get(tag, tag),
        }
        if "tooltip" in template:
            escaped["tooltip"] = template["tooltip"] | {"content": html.escape(template["tooltip"]["content"])}
        render: Any = super().render_string_template
        return Markup(render(escaped))  # noqa: S704 - escaped above


class PageView(_Offline):
    """The view of results and suites."""


class IndexView(_Offline, DefaultJinjaIndexPageView):
    """The view of the first page."""


def _as_markup(styling: Any) -> Any:
    return lambda value: Markup(styling(value))  # noqa: S704 - attributes that Great Expectations writes


def _failure(found: ExpectationValidationResult) -> RenderedSectionContent:
    """A section: the check in words, what was found, Great Expectations' own row on it, and the evidence."""
    meta, evidence = _meta(found), _evidence(found)
    summary = evidence.get("summary")
    rows = [[_badge(meta["severity"]), *cells] for cells in _judged([found])]
    return RenderedSectionContent(
        [
            RenderedHeaderContent(header=meta["check"], subheader=meta["explains"]),
            *([TextContent([summary], styling={"classes": ["summary"]})] if summary else []),
            _stacked(rows, ["Status", *_COLUMNS]),
            *_tables(evidence),
        ],
        section_name=meta["check"],
    )


def _judged(results: Sequence[ExpectationValidationResult]) -> list[list[Any]]:
    """Great Expectations' own cells on each: the expectation, with what was unexpected, and the value observed."""
    rows: list[list[Any]] = []
    for found in results:
        if written := _meta(found)["written"]:
            rows.append([written, _text(found.result.get("observed_value"))])
            continue
        content = ValidationResultsTableContentBlockRenderer.render([found])
        assert isinstance(content, RenderedTableContent)
        rows += [cells[1:] for cells in content.table]  # the first is an icon
    return rows


def _section(name: str, content: RenderedContent) -> RenderedSectionContent:
    return RenderedSectionContent([RenderedHeaderContent(header=name), content], section_name=name)


def _stacked(rows: list[Any], columns: Sequence[str]) -> RenderedTableContent:
    """A table of sentences: on a narrow screen its cells stand one below the other."""
    return RenderedTableContent(rows, header_row=list(columns), styling={"body": {"classes": ["stacked"]}})


def _passes(passed: Sequence[ExpectationValidationResult]) -> RenderedSectionContent:
    rows = []
    for found, cells in zip(passed, _judged(passed), strict=True):
        tables = _tables(_evidence(found))
        shown = [CollapseContent(tables, collapse_toggle_link="Evidence")] if tables else []
        rows.append([[*_named(_meta(found)), *shown], *cells])
    return _section("Passed", _stacked(rows, ["Check", *_COLUMNS]))


def _tables(evidence: Mapping[str, Any]) -> list[RenderedTableContent]:
    """Evidence as tables: one of each list of rows, and one of what else there is."""
    lists = {name: value for name, value in evidence.items() if _is_rows(value)}
    others = {
        name: value
        for name, value in evidence.items()
        if name not in lists and name != "summary" and value not in (None, "", [])
    }
    tables = []
    for name, rows in lists.items():
        columns = sorted(dict.fromkeys(column for row in rows for column in row), key=_names_first)
        table = [[_text(row.get(column)) for column in columns] for row in rows[:_MOST_ROWS]]
        title = _words(name) if len(rows) <= _MOST_ROWS else f"{_words(name)}: the first {_MOST_ROWS} of {len(rows)}"
        tables.append(RenderedTableContent(table, header=title, header_row=[*map(_words, columns)]))
    if others:
        table = [[_words(name), _text(value)] for name, value in others.items()]
        tables.append(RenderedTableContent(table, header_row=["Evidence", "Value"]))
    return tables


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _names_first(column: str) -> int:
    """People read names; ids follow, then amounts and the like."""
    endings = ("name", "id")
    return next((place for place, ending in enumerate(endings) if column.endswith(ending)), len(endings))


def _with_integers(expectation: ExpectationConfiguration) -> ExpectationConfiguration:
    """The same with its bounds as they were written: a suite makes floats of integers."""
    kwargs = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in expectation.kwargs.items()
    }
    return ExpectationConfiguration(expectation.type, kwargs, meta=expectation.meta)


def _text(value: Any) -> str:
    match value:
        case None | "" | []:
            return _NOTHING
        case str():
            return value
        case list() if not any(isinstance(one, list | dict) for one in value):
            return ", ".join(map(_text, value))
        case _:
            return json.dumps(value, ensure_ascii=False)


def _words(name: str) -> str:
    """`user_name` as `user name`; a setting stays as it is."""
    return name if name.isupper() else name.replace("_", " ")


def _named(meta: Mapping[str, str]) -> list[RenderedStringTemplateContent]:
    return [_string(meta["check"], tag="strong"), _string(meta["explains"], tag="p")]


def _badge(severity: str | None) -> RenderedStringTemplateContent:
    text, style = {"ERROR": ("Failed", "failed"), "WARN": ("Warning", "warned"), None: ("Passed", "passed")}[severity]
    return _string(text, styling={"classes": ["badge", style]})


def _outcome(facts: Mapping[str, str]) -> list[RenderedStringTemplateContent]:
    failed = [("ERROR", facts.get("failed")), ("WARN", facts.get("warnings"))]
    shown = [part for severity, names in failed if names for part in (_badge(severity), _string(names))]
    return shown or [_badge(None)]


def _string(text: str, *, tag: str = "span", styling: Mapping[str, Any] | None = None) -> RenderedStringTemplateContent:
    return RenderedStringTemplateContent(
        {"template": "$text", "params": {"text": text}, "tag": tag, "styling": dict(styling or {})}
    )


def _link(text: str, address: str) -> RenderedStringTemplateContent:
    return _string(text, tag="a", styling={"attributes": {"href": html.escape(address)}})


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _evidence(found: ExpectationValidationResult) -> Mapping[str, Any]:
    details: Mapping[str, Any] = found.result.get("details") or {}
    return details


def _meta(found: ExpectationValidationResult) -> Mapping[str, str]:
    assert found.expectation_config is not None
    return _meta_of(found.expectation_config)


def _meta_of(expectation: ExpectationConfiguration) -> Mapping[str, str]:
    meta: Mapping[str, str] = expectation.meta or {}
    return meta
