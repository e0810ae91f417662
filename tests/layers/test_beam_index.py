"""The index table of beam reordering, by hand and against copied histories."""

import numpy as np
from keras import ops

from t2t_mm.layers.beam_index import identity_paths, reorder_paths, rows_at, visible


def values(tensor):
    return ops.convert_to_numpy(tensor)


def test_the_initial_table_maps_each_beam_to_its_own_row():
    np.testing.assert_array_equal(values(identity_paths(2, 3, 4)), np.tile([0, 1, 2], (4, 2, 1)))


def test_reordering_changes_only_positions_before_the_current_one():
    paths_TBJ = reorder_paths(identity_paths(2, 2, 3), ops.convert_to_tensor([1, 1, 2, 2], "int32"), 2)
    np.testing.assert_array_equal(values(paths_TBJ)[:, 0], [[1, 1], [1, 1], [0, 1]])
    np.testing.assert_array_equal(values(paths_TBJ)[:, 1], [[0, 0], [0, 0], [0, 1]])


def test_two_reorderings_compose():
    once_TBJ = reorder_paths(identity_paths(1, 3, 3), ops.convert_to_tensor([2, 0, 1], "int32"), 1)
    twice_TBJ = reorder_paths(once_TBJ, ops.convert_to_tensor([1, 1, 0], "int32"), 2)
    # Row 0 took over row 2's entry at position 0, then row 2 took it over from row 0: it is read from row 2 again.
    np.testing.assert_array_equal(values(twice_TBJ)[:, 0], [[0, 0, 2], [1, 1, 0], [0, 1, 2]])


def test_rows_are_counted_over_the_batch():
    paths_TBJ = ops.convert_to_tensor([[[0, 0], [1, 0]], [[0, 1], [0, 1]], [[1, 1], [1, 1]]], "int32")
    rows_KR = rows_at(paths_TBJ, ops.convert_to_tensor([2, 0], "int32"))
    np.testing.assert_array_equal(values(rows_KR), [[1, 1, 3, 3], [0, 0, 3, 2]])


def test_a_beam_sees_its_own_history_and_nothing_after_its_position():
    paths_TBJ = ops.convert_to_tensor([[[1, 1]], [[0, 1]], [[0, 1]]], "int32")
    visible_JTJ = values(visible(paths_TBJ, 1)).reshape(2, 3, 2)
    np.testing.assert_array_equal(visible_JTJ[0], [[False, True], [True, False], [False, False]])
    np.testing.assert_array_equal(visible_JTJ[1], [[False, True], [False, True], [False, False]])


def test_histories_after_many_random_reorderings_equal_copied_histories():
    random, examples, beams, positions = np.random.default_rng(0), 3, 4, 40
    written_TR = np.arange(positions * examples * beams).reshape(positions, -1)  # each value is its own place
    history_TR = written_TR.copy()
    paths_TBJ = identity_paths(examples, beams, positions)
    for t in range(1, positions):
        rows_R = (random.integers(beams, size=(examples, beams)) + np.arange(examples)[:, None] * beams).reshape(-1)
        history_TR[:t] = history_TR[:t, rows_R]
        paths_TBJ = reorder_paths(paths_TBJ, ops.convert_to_tensor(rows_R, "int32"), t)
        rows_TR = values(rows_at(paths_TBJ, ops.arange(positions)))
        np.testing.assert_array_equal(np.take_along_axis(written_TR, rows_TR, axis=1), history_TR)
        visible_BJTI = values(visible(paths_TBJ, t)).reshape(examples, beams, positions, beams)
        own_TBJ = rows_TR.reshape(positions, examples, beams) % beams
        for i in range(beams):
            np.testing.assert_array_equal(
                visible_BJTI[:, :, : t + 1, i], (own_TBJ == i).transpose(1, 2, 0)[..., : t + 1]
            )
        assert not visible_BJTI[:, :, t + 1 :].any()
