"""A view's charts as PNG, for Dagster's UI."""

from __future__ import annotations

import json

from clari_pipeline.board import charts
from clari_pipeline.board.figures import View

VEGA_LITE = "6.4"  # what Altair 6 writes
_WIDTH = 640


def pictures(view: View) -> dict[str, bytes]:
    """PNG of each chart of the view, on white, by its name."""
    import vl_convert  # noqa: PLC0415 - 80 MB

    drawn = {}
    specifications = charts.specifications()
    for name, rows in charts.rows_of(view).items():
        chart = {"height": len(rows) * charts.BAR_HEIGHT, **specifications[name]}
        text = json.dumps(chart | {"datasets": {"rows": rows}, "width": _WIDTH, "background": "white"})
        for colour, on_paper in charts.PAPER.items():
            text = text.replace(colour, on_paper)
        drawn[name] = vl_convert.vegalite_to_png(text, vl_version=VEGA_LITE, scale=1.5)
    return drawn
