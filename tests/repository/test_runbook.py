"""The runbook has a section on everything that people can be told of, and on nothing else; what is told names it.

What there is to be told is asked of the code itself: whoever adds an error, an alert, a check or an exit code is told
here that its section is missing.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import dagster as dg
import pytest

import clari_pipeline
from clari_pipeline.checks.export_gate import CHECKS, PRODUCT_CHECKS
from clari_pipeline.cli import runbook
from clari_pipeline.core.project import project_file
from clari_pipeline.core.runbook import (
    PAGE,
    AlertKind,
    ExitCode,
    PipelineError,
    RunbookSection,
    anchor,
    section_of,
    with_anchor,
)
from clari_pipeline.ops import preflight
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.warehouse.errors import WarehouseError
from tests.helpers.terminal import Terminal

ROOT = project_file("sql").parent
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
ROW = re.compile(r"^\| ((?:<a id=\"\w+\"></a>)+)(`[\w`, ]+`) \|(.*)\|$", flags=re.MULTILINE)
# Raised and caught between two rooms: people are told by the error or the check that is made of them.
CAUGHT = {
    "CannotCheck",
    "DocumentUnreadable",
    "NoDocument",
    "KeyFileError",
    "Misfit",
    "RefusedError",
    "Unreconciled",
    "UsedHere",
    "StatusPageUnreadable",
}


def modules() -> Iterator[ModuleType]:
    """Every module of the package but those that do something when they are imported."""
    for found in pkgutil.walk_packages(clari_pipeline.__path__, "clari_pipeline."):
        if found.name.rpartition(".")[2] not in {"__main__", "definitions"}:
            yield importlib.import_module(found.name)


def errors() -> set[type[Exception]]:
    """The public errors that the package defines."""
    return {
        found
        for module in modules()
        for name, found in vars(module).items()
        if isinstance(found, type)
        and issubclass(found, Exception)
        and found.__module__ == module.__name__
        and not name.startswith("_")
    }


def sections() -> dict[str, list[str]]:
    """Each code that has a row, and the row's cells: what it means, what to look at, what to do."""
    found: dict[str, list[str]] = {}
    for ids, names, cells in ROW.findall(TEXT):
        codes = re.findall(r'id="(\w+)"', ids)
        assert codes == re.findall(r"`(\w+)`", names), names
        assert not found.keys() & set(codes), names
        found |= {code: [cell.strip() for cell in cells.split("|")] for code in codes}
    return found


def test_everything_that_people_can_be_told_of_has_a_section() -> None:
    """Alert kinds, checks, lines of the checklist, errors, exit codes: none is missing, and none is there in vain."""
    told = {kind.section for kind in errors() if issubclass(kind, PipelineError)} - {PipelineError.section}
    told |= {
        *AlertKind,
        *RunbookSection,
        *CHECKS,
        *PRODUCT_CHECKS,
        *preflight.NAMES,
        *(f"exit_{code.value}" for code in ExitCode),
    }
    also = {"not_seen", "key_file_error", "channel_error", "document_unreadable"}
    known = set(sections())
    assert told - known == set(), f"{PAGE} has no row on {sorted(told - known)}"
    assert known - told - also == set(), f"{PAGE} tells of {sorted(known - told - also)}, which are no more"


def test_each_section_says_what_it_means_and_what_to_do() -> None:
    for code, cells in sections().items():
        assert len(cells) == 3, code
        means, _, do = cells
        assert len(means) > 20, code
        assert do, code


def test_every_error_is_one_that_people_can_look_up() -> None:
    """An error of the package is a PipelineError, is caught by the room that asked, or says that sql/ is at fault."""
    strangers = {kind.__name__ for kind in errors() if not issubclass(kind, PipelineError)}
    assert strangers == CAUGHT | {"QueryError"}


def test_an_error_is_told_by_its_class_and_a_private_one_by_what_it_is_a_kind_of() -> None:
    private = type("_Refused", (WarehouseError,), {})
    assert section_of(private("no")) == section_of(WarehouseError("no")) == "warehouse_error"
    assert section_of(OSError(28, "No space left on device")) == section_of(RuntimeError("disk is full")) == "disk_full"
    assert section_of(PermissionError(13, "Permission denied")) == "os_error"
    assert section_of(KeyError("nothing that anybody thought of")) == "unexpected_error"
    told = with_anchor("cause: remedy", "no_slot")
    assert (told, with_anchor(told, "run_failed")) == (f"cause: remedy ({PAGE}#no_slot)", told)


def test_the_command_prints_what_an_error_names(terminal: Terminal) -> None:
    """Every row of the page, with links as commands; a section by its heading; what is none names what is alike."""
    for code, (means, look, do) in sections().items():
        told = runbook.text(anchor(code))
        assert [line.partition(": ")[0] for line in told.split("\n\n")[1:]] == [
            "What it means", "What to look at", "What to do",
        ]  # fmt: skip
        assert "](" not in told
        for cell in (means, look, do):
            assert re.split(r"\[|\]", cell)[0].strip() in told
    assert terminal("runbook", f"({anchor('auth_failed')})").out == f"{runbook.text('auth_failed')}\n"
    assert terminal("runbook", "key-rotation").out.startswith("## Key rotation\n")
    assert terminal("runbook").out.strip() == TEXT.strip()
    for wanted, said in (("auth_faild", "did you mean auth_failed"), ("weather", "prints all of it")):
        answer = terminal("runbook", wanted)
        assert (answer.code, said in answer.err) == (ExitCode.WRONG_SETTINGS, True)


@pytest.mark.parametrize(
    ("words", "code", "section"),
    [
        (["sync", "--nonesuch"], ExitCode.WRONG_SETTINGS, "usage_error"),
        (["sync", "--period", "2026_Q5"], ExitCode.WRONG_SETTINGS, "unknown_period"),
        (["alerts", "test"], ExitCode.WRONG_SETTINGS, "channels_missing"),
        (["restore", "nowhere"], ExitCode.WRONG_SETTINGS, "backup_refused"),
        (["as-of", "2026-01-01"], ExitCode.NOT_DONE, "warehouse_missing"),
    ],
)
def test_the_line_on_stderr_names_the_section(
    terminal: Terminal, words: list[str], code: ExitCode, section: str
) -> None:
    """One line: cause, remedy, where to read on."""
    answer = terminal(*words)
    assert (answer.code, len(answer.err.splitlines())) == (code, 1)
    assert answer.err.rstrip().endswith(f"({anchor(section)})"), answer.err


def test_a_broken_check_in_dagster_names_its_section(terminal: Terminal, sandbox: Sandbox) -> None:
    """In its description and beside its evidence; one that passes says nothing of it. So does the failed run."""
    sandbox.scenario = "null_keys"
    assert terminal.with_dagster("sync").code == ExitCode.NOT_DONE
    with dg.DagsterInstance.get() as instance:
        (broken,) = _broken_checks(instance, "entry_keys_are_complete")
        (failure,) = _failures(instance)
    assert failure is not None
    assert failure.endswith(f"({anchor('entry_keys_are_complete')})")
    assert broken.description is not None
    assert broken.description.endswith(f"({anchor('entry_keys_are_complete')})")
    assert broken.metadata["runbook"].value == anchor("entry_keys_are_complete")


def _broken_checks(instance: dg.DagsterInstance, name: str) -> Iterator[dg.AssetCheckEvaluation]:
    for run in instance.get_runs():
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            if entry.dagster_event is None:
                continue
            found = entry.dagster_event.asset_check_evaluation_data
            assert found.passed == ("runbook" not in found.metadata)
            if found.check_name == name and not found.passed:
                yield found


def _failures(instance: dg.DagsterInstance) -> Iterator[str | None]:
    """What the failed steps say of themselves."""
    for run in instance.get_runs():
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
            if entry.dagster_event is not None and (data := entry.dagster_event.step_failure_data.user_failure_data):
                yield data.description
