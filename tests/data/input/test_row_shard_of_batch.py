"""The rows of a batch that each of several workers computes."""

import pytest

from t2t_mm.data.input.row_shard import WHOLE_BATCH, RowShard


def test_one_worker_makes_all_rows():
    assert WHOLE_BATCH.slice_of(7) == slice(0, 7)


@pytest.mark.parametrize(
    ("rows", "parts"), [(6, [(0, 2), (2, 4), (4, 6)]), (8, [(0, 3), (3, 6), (6, 8)]), (2, [(0, 1), (1, 2), (2, 2)])]
)
def test_parts_follow_each_other_and_differ_by_one_row_at_most(rows, parts):
    assert [(part.start, part.stop) for part in (RowShard(worker, 3).slice_of(rows) for worker in range(3))] == parts
