"""A kill at every event of a sync: nothing is lost, nothing is asked for twice."""

from pathlib import Path

import pytest

from tests.e2e.test_kills import assert_whole, undisturbed
from tests.helpers.killing import Moment, Place, company

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("is_written", [False, True])
def test_a_kill_at_every_event_of_five_quarters(tmp_path: Path, is_written: bool, part: int) -> None:
    """Every fourth event, each in a warehouse of its own, until a run ends before its moment comes."""
    expected = undisturbed(5)
    for number in range(part, 1000, PARTS):
        moment = Moment(None, number, is_written=is_written)
        with company() as sandbox:
            place = Place(tmp_path / repr(moment), sandbox, is_in_dagster=True)
            is_killed = place.sync(5, moment)
            if is_killed:
                assert not place.sync(5)
            assert_whole(place, expected, 5)
        if not is_killed:
            assert moment.number > 30
            return
