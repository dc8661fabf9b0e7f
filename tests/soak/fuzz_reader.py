"""The reader against the oracle, on documents that libFuzzer makes up. Run by `make fuzz`; arguments are libFuzzer's.

An input that fails is kept in the current folder as `crash-…`; named as the only argument it is tried again.

The first two bytes of an input say in which pieces the rest, the document, is read.
"""

import random
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["clari_pipeline.documents"]):
    from clari_pipeline.documents import reading
    from tests.helpers.document_writer import MARKS, WRONG, Writer, in_pieces, mutated
    from tests.helpers.reader_oracle import compare

_SEEDS = 400
_LONGEST = 4096
_DEEPEST = 500  # where Python's recursion ends depends on where it began
_REPORTED = 10_000
_counts = {"runs": 0, "documents": 0, "offered": 0, "taken": 0}

assert reading  # imported to be instrumented


def one_input(data: bytes) -> None:
    """Fails where the two do not say the same."""
    if len(data) < 2 or data.count(b"[") + data.count(b"{") > _DEEPEST:
        return
    with in_pieces(16 + 8 * data[0], chunk=16 + 16 * data[1]) as pieces:
        is_document = compare(data[2:])
    _counts["runs"] += 1
    _counts["documents"] += is_document
    _counts["offered"] += pieces.offered
    _counts["taken"] += pieces.taken
    if _counts["runs"] % _REPORTED == 0:
        sys.stderr.write(f"{_counts}\n")


def main() -> int:
    """Begin with documents of our own, in a folder that does not outlive the run: libFuzzer never returns."""
    *arguments, last = sys.argv
    if arguments and Path(last).exists():
        atheris.Setup(sys.argv, one_input)
        atheris.Fuzz()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        seeds = Path(folder) / "seeds"
        seeds.mkdir()
        for seed in range(_SEEDS):
            dice = random.Random(seed)
            content = Writer(dice).document()
            content = mutated(content, dice) if seed % 4 == 0 else content
            (seeds / f"{seed}").write_bytes(dice.randbytes(2) + content[: _LONGEST - 2])
        words = {word.encode() for word in WRONG} | set(MARKS)
        escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in sorted(words))
        dictionary = Path(folder) / "words"
        dictionary.write_text("".join(f'"{word}"\n' for word in escaped))
        options = [f"-max_len={_LONGEST}", f"-dict={dictionary}", "-timeout=60", *sys.argv[1:]]
        return subprocess.run([sys.executable, "-m", __spec__.name, *options, str(seeds)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
