"""The revenue board: one HTML file that opens without a network."""

from clari_pipeline.board.charts import pictures
from clari_pipeline.board.figures import Board, View, read_board
from clari_pipeline.board.page import first, headline, write_board

__all__ = ["Board", "View", "first", "headline", "pictures", "read_board", "write_board"]
