"""`clari-pipeline runbook`: a section of the runbook in the terminal, from a checkout or an installed wheel."""

import re
from difflib import get_close_matches

from clari_pipeline.core.project import project_file
from clari_pipeline.core.runbook import PAGE
from clari_pipeline.core.setting_errors import UsageError

_ROW = re.compile(r"^\| ((?:<a id=\"\w+\"></a>)+).+? \| (.+) \|$", flags=re.MULTILINE)
_HEADED = re.compile(r"^## (.+)\n(?:(?!## ).*\n)*", flags=re.MULTILINE)
_CELLS = ("What it means", "What to look at", "What to do")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#]*)#?([^)]*)\)")


def text(wanted: str | None) -> str:
    """The section with that anchor, also as an error names it (`docs/runbook.md#auth_failed`); without one, the page.

    Raises `UsageError` where there is no such section.
    """
    page = project_file(PAGE).read_text(encoding="utf-8")
    if wanted is None:
        return page
    known = _sections(page)
    name = wanted.strip("()").rpartition("#")[2]
    if name in known:
        return known[name]
    alike = " or ".join(get_close_matches(name, known, n=3))
    raise UsageError(
        f"the runbook has no section {name!r}: "
        + (f"did you mean {alike}?" if alike else "clari-pipeline runbook prints all of it")
    )


def _sections(page: str) -> dict[str, str]:
    """The sections by anchor: a table row with its cells, or a heading with all below it."""
    # A heading's anchor is computed as GitHub does.
    found = {
        re.sub(r"[^\w\- ]", "", headed[1]).lower().replace(" ", "-"): headed[0].strip()
        for headed in _HEADED.finditer(page)
    }
    for row in _ROW.finditer(page):
        cells = zip(_CELLS, row[2].split(" | "), strict=True)
        rows = "\n\n".join(f"{name}: {_LINK.sub(_command, cell.strip())}" for name, cell in cells)
        found |= {name: f"{name}\n\n{rows}" for name in re.findall(r'id="(\w+)"', row[1])}
    return found


def _command(link: re.Match[str]) -> str:
    """Rewrite a Markdown link for the terminal: as a runbook command, a file, or a URL."""
    title, target, anchor = link.groups()
    if "://" in target:
        return f"{title} ({target})"
    return f"{title} ({f'docs/{target}#{anchor}' if target else f'clari-pipeline runbook {anchor}'})"
