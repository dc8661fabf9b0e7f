"""How fast documents land that arrive from memory, without waiting for any network."""

import sys
import time
from pathlib import Path

from clari_pipeline.landing import LandingWriter

_PIECE = 1 << 16  # bytes that arrive at once
_KNOWN = 32 << 20  # bytes of the document that are held and sent again and again: far beyond what zstd looks back


def land(document: Path, folder: Path, megabytes: int) -> float:
    """Land so many MB (of 1,000,000 bytes) made of a document's first bytes; MB a second, until it is on the disk."""
    with document.open("rb") as file:
        known = file.read(_KNOWN)
    pieces = [known[place : place + _PIECE] for place in range(0, len(known), _PIECE)]
    writer = LandingWriter(folder)
    left, number = megabytes * 1_000_000, 0
    begun = time.monotonic()
    while left > 0:
        piece = pieces[number % len(pieces)]
        writer.write(piece)
        left, number = left - len(piece), number + 1
    landed = writer.keep(forecast_id="total_new", time_period="2025_Q4", job_id="landing", facts={})
    return landed.size / 1e6 / (time.monotonic() - begun)


if __name__ == "__main__":
    Path(sys.argv[4]).write_text(str(land(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
