"""Rows that are named once are changed together; rows that are named again have to wait for their turn [W78]."""

import numpy as np
import pytest

from refflow.ops.scatter import rounds


@pytest.mark.parametrize(
    "rows", [[4, 2, 0], [3, 3, 1, 3], [], [7], [0, 0], [10**9, 5], [10**9, 10**9, 1], [*range(500), 3]]
)
def test_each_round_names_a_row_once_and_the_rounds_keep_the_order(rows):
    rows = np.array(rows, np.int64)
    places = [np.arange(len(rows))[p] for p in rounds(rows)]
    assert sorted(np.concatenate([*places, np.zeros(0, int)]).tolist()) == list(range(len(rows)))
    assert all(len(set(rows[p])) == len(p) for p in places)
    for row in set(rows.tolist()):
        turns = [int(p[rows[p] == row][0]) for p in places if (rows[p] == row).any()]
        assert turns == sorted(turns)
