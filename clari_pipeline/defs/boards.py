"""The board as an asset: it writes the HTML page; headline and charts are its metadata in Dagster."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from clari_pipeline.notify.rendering import plain_in_markdown
from clari_pipeline.sync.context import Context

if TYPE_CHECKING:
    from clari_pipeline.board import Board

_TITLES = {
    "movement": "how the newest week moved the call",
    "pacing": "closed as a share of quota, beside earlier periods",
    "accuracy": "how far off calls were, by person",
}


def board_asset(
    key: dg.AssetKey, marts: Sequence[dg.AssetKey], *, owners: Sequence[str], pool: str | None
) -> dg.AssetsDefinition:
    """The asset of the board, made after the marts."""

    @dg.asset(
        key=key,
        deps=marts,
        group_name="marts",
        kinds={"html", "altair"},
        owners=owners,
        description="One HTML page for people who would rather look than query: how the quarter stands, whose call "
        "moved and why, how the call came about, how it paces against earlier quarters, whose calls are to be relied "
        "on, and how the exports went. It needs no network: `board.html` in CLARI_DATA_DIR may be mailed as it is. "
        "Every figure on it stands in a mart.",
        required_resource_keys={"sync_context"},
        pool=pool,
    )
    def board(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from clari_pipeline.board import write_board  # noqa: PLC0415 - altair takes a moment

        sync: Context = context.resources.sync_context
        file, shown = write_board(sync.warehouse, sync.settings.data_dir)
        context.log.info(f"Written to {file}")
        return dg.MaterializeResult(metadata=board_metadata(file, shown))

    return board


def board_metadata(file: Path, shown: "Board") -> dict[str, Any]:
    """Its path and size; of the view that it shows first, the headline and the charts."""
    from clari_pipeline.board import first, headline, pictures  # noqa: PLC0415 - altair takes a moment

    metadata: dict[str, Any] = {
        "path": dg.MetadataValue.path(file.absolute()),
        "views": len(shown.views),
        "bytes": file.stat().st_size,
    }
    if (view := first(shown.views)) is not None:
        title = f"{view.time_period_id}, {view.field_name}, {view.forecast_id}"
        figures = headline(view)
        lines = [f"| {name} | {plain_in_markdown(figure)} |" for name, figure in figures]
        metadata["headline"] = dg.MetadataValue.md(
            "\n".join([f"| {plain_in_markdown(title)} | |", "| --- | ---: |", *lines])
            if figures
            else f"{plain_in_markdown(title)}: nobody stands at the top alone, so there is no total"
        )
        for name, picture in pictures(view).items():
            data = base64.b64encode(picture).decode()
            metadata[name] = dg.MetadataValue.md(f"![{_TITLES[name]}](data:image/png;base64,{data})")
    return metadata
