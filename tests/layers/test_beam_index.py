"""Beams that take over each other's pasts: the table, by hand and against histories that are copied."""

import numpy as np
from keras import ops

from t2t_mm.layers.beam_index import rows_at, straight_paths, switch_paths, visible


def values(tensor):
    return ops.convert_to_numpy(tensor)


def test_beams_start_on_their_own_ways():
    np.testing.assert_array_equal(values(straight_paths(2, 3, 4)), np.tile([0, 1, 2], (4, 2, 1)))


def test_a_switch_takes_over_the_past_alone():
    paths_TBJ = switch_paths(straight_paths(2, 2, 3), ops.convert_to_tensor([1, 1, 2, 2], "int32"), 2)
    np.testing.assert_array_equal(values(paths_TBJ)[:, 0], [[1, 1], [1, 1], [0, 1]])
    np.testing.assert_array_equal(values(paths_TBJ)[:, 1], [[0, 0], [0, 0], [0, 1]])


def test_a_second_switch_follows_the_first():
    once_TBJ = switch_paths(straight_paths(1, 3, 3), ops.convert_to_tensor([2, 0, 1], "int32"), 1)
    twice_TBJ = switch_paths(once_TBJ, ops.convert_to_tensor([1, 1, 0], "int32"), 2)
    # Position 0 of row 2 was taken over by row 0 first, then from there by row 2: it is back where it was written.
    np.testing.assert_array_equal(values(twice_TBJ)[:, 0], [[0, 0, 2], [1, 1, 0], [0, 1, 2]])


def test_rows_are_those_of_the_batch():
    paths_TBJ = ops.convert_to_tensor([[[0, 0], [1, 0]], [[0, 1], [0, 1]], [[1, 1], [1, 1]]], "int32")
    rows_KR = rows_at(paths_TBJ, ops.convert_to_tensor([2, 0], "int32"))
    np.testing.assert_array_equal(values(rows_KR), [[1, 1, 3, 3], [0, 0, 3, 2]])


def test_a_beam_sees_its_own_past_and_nothing_behind_its_position():
    paths_TBJ = ops.convert_to_tensor([[[1, 1]], [[0, 1]], [[0, 1]]], "int32")
    visible_JTJ = values(visible(paths_TBJ, 1)).reshape(2, 3, 2)
    np.testing.assert_array_equal(visible_JTJ[0], [[False, True], [True, False], [False, False]])
    np.testing.assert_array_equal(visible_JTJ[1], [[False, True], [False, True], [False, False]])


def test_after_many_random_switches_every_past_is_found():
    random, examples, beams, positions = np.random.default_rng(0), 3, 4, 40
    written_TR = np.arange(positions * examples * beams).reshape(positions, -1)  # each value tells where it stands
    past_TR = written_TR.copy()
    paths_TBJ = straight_paths(examples, beams, positions)
    for t in range(1, positions):
        rows_R = (random.integers(beams, size=(examples, beams)) + np.arange(examples)[:, None] * beams).reshape(-1)
        past_TR[:t] = past_TR[:t, rows_R]
        paths_TBJ = switch_paths(paths_TBJ, ops.convert_to_tensor(rows_R, "int32"), t)
        rows_TR = values(rows_at(paths_TBJ, ops.arange(positions)))
        np.testing.assert_array_equal(np.take_along_axis(written_TR, rows_TR, axis=1), past_TR)
        seen_BJTI = values(visible(paths_TBJ, t)).reshape(examples, beams, positions, beams)
        own_TBJ = rows_TR.reshape(positions, examples, beams) % beams
        for i in range(beams):
            np.testing.assert_array_equal(seen_BJTI[:, :, : t + 1, i], (own_TBJ == i).transpose(1, 2, 0)[..., : t + 1])
        assert not seen_BJTI[:, :, t + 1 :].any()
