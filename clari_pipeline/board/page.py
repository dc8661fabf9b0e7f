"""Render the board as one HTML file with styles, charts and scripts inline: it loads nothing from a network."""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from clari_pipeline.board import charts
from clari_pipeline.board.figures import EMPTY, Board, View, read_board
from clari_pipeline.config.settings import DATA_DOCS
from clari_pipeline.notify.rendering import html_environment, money, percent
from clari_pipeline.warehouse.session import Warehouse

MOST_BYTES = 5_000_000  # of the file, so that it can be mailed
_FRAME_BYTES = 100_000
_CALLS = ("commit", "forecast")  # names of the field that is shown first


def write_board(warehouse: Warehouse, folder: Path) -> tuple[Path, Board]:
    """Write the board into a folder, atomically; returns its path and its figures.

    Raises `WarehouseLocked`, or OSError where the folder cannot be written.
    """
    board = EMPTY
    if warehouse.exists():
        with warehouse.session() as session, session.transaction():  # one snapshot
            board = read_board(session)
    folder.mkdir(parents=True, exist_ok=True)
    has_data_docs = (folder / DATA_DOCS / "index.html").exists()
    page = render(board, _vega(folder / ".board"), data_docs=f"{DATA_DOCS}/index.html" if has_data_docs else None)
    file = folder / "board.html"
    _replace(file, page)
    return file, board


def render(board: Board, vega: str, *, data_docs: str | None = None) -> str:
    """Render the page. `vega` is the JavaScript bundle; views beyond `MOST_BYTES` are left out and listed.

    `data_docs` is the address of Data Docs, relative to the page, where they are there.
    """
    environment = _environment()
    template = environment.get_template("view.html.j2")
    views = [board.views[place] for place in _order(board.views)]
    bytes_left = MOST_BYTES - _FRAME_BYTES - len(vega.encode())
    shown: list[View] = []
    bodies: list[Markup] = []
    drawn: list[dict[str, charts.Rows]] = []
    for view in views:
        rows = charts.rows_of(view)
        body = template.render(view=view, number=len(shown), charts=rows)
        bytes_left -= len(body.encode()) + len(_json(rows).encode())
        if bytes_left < 0:
            break
        shown.append(view)
        bodies.append(Markup(body))  # noqa: S704 - the template has escaped what is in it
        drawn.append(rows)
    program, vega = _source("board.js"), vega.replace("</script", "<\\/script")
    data = {"charts": charts.specifications(), "barHeight": charts.BAR_HEIGHT, "views": drawn}
    return environment.get_template("board.html.j2").render(
        board=board,
        views=shown,
        bodies=bodies,
        left_out=views[len(shown) :],
        style=_source("board.css"),
        vega=Markup(vega),  # noqa: S704 - a library's own
        program=Markup(program),  # noqa: S704 - this package's own
        hashes=" ".join(_hash(script) for script in (vega, program)),
        data_docs=data_docs,
        data=Markup(_json(data)),  # noqa: S704 - brackets are escaped
    )


def headline(view: View) -> list[tuple[str, str]]:
    """Labels and figures at the head of a view; empty where there is no one person at the top."""
    top = view.top
    if top is None:
        return []
    currency = top["currency_code"] or ""

    def amount(name: str, *, signed: bool = False) -> str:
        return "not known" if top[name] is None else f"{money(top[name], signed=signed)} {currency}".strip()

    return [
        ("Forecast", amount("forecast_value")),
        ("Quota", amount("quota_value")),
        ("Closed", amount("crm_closed")),
        ("Attainment", "not known" if top["attainment_pct"] is None else percent(top["attainment_pct"])),
        ("Since the last sync", amount("sync_change", signed=True)),
        ("Since a week ago", amount("week_change", signed=True)),
    ]


def first(views: Sequence[View]) -> View | None:
    """The view that is shown first, None without views."""
    return views[_order(views)[0]] if views else None


def _order(views: Sequence[View]) -> list[int]:
    """The order of the views by index: first the current quarter's Commit or Forecast, else the current month's."""
    now = [place for place, view in enumerate(views) if view.is_current]
    quarters = [place for place in now if views[place].time_period_id == views[place].quarter_id]
    current = quarters or now or list(range(len(views)))
    if not current:
        return []
    same = [place for place in current if views[place].quarter_id == views[current[0]].quarter_id]
    named = {place: views[place].field_name.casefold() for place in same}
    best = min(same, key=lambda place: _CALLS.index(named[place]) if named[place] in _CALLS else len(_CALLS))
    return [best, *(place for place in range(len(views)) if place != best)]


@cache
def _environment() -> jinja2.Environment:
    environment = html_environment("clari_pipeline.board")
    environment.filters |= {"dict_of": dict}
    return environment


def _source(name: str) -> str:
    loader = jinja2.PackageLoader("clari_pipeline.board")
    return loader.get_source(_environment(), name)[0]


def _json(value: Any) -> str:
    """JSON for a script element: `<`, `>` and `&` are escaped, so that no text can close it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "".join(f"\\u{ord(sign):04x}" if sign in "<>&\u2028\u2029" else sign for sign in text)


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _vega(folder: Path) -> str:
    """The JavaScript bundle of Vega, cached in a file: bundling takes seconds."""
    kept = folder / f"vega-{version('vl-convert-python')}-{charts.VEGA_LITE}.js"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _replace(kept, _bundle())
    return kept.read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    import vl_convert  # noqa: PLC0415 - 80 MB

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed", vl_version=charts.VEGA_LITE)


def _replace(file: Path, text: str) -> None:
    """Replace a file atomically: a reader sees the old one or the new one."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
