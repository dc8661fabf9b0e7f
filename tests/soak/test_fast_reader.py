"""Entries that Arrow reads whole are those that `json` reads, over many documents."""

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.documents.test_fast_reader import SIZES
from tests.helpers.document_writer import broken, documents, in_pieces
from tests.helpers.reader_oracle import compare
from tests.soak.length import EACH_PART, TIMES


@pytest.mark.parametrize("part", EACH_PART)
def test_whatever_comes_is_read_as_json_reads_it(part):
    """Documents good and broken, in pieces of any size; each part draws others."""

    @seed(part)
    @settings(max_examples=2_000 * TIMES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(documents | broken, SIZES, st.integers(16, 3000), st.sampled_from([1, 2, 5]))
    def run(content, piece, chunk, fewest):
        with in_pieces(piece, chunk=chunk, fewest=fewest):
            compare(content)

    run()
