"""Random numbers as a function of seed, path and index."""

import zlib
from collections import Counter

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.forward import Forward, Noise, Watched
from t2t_mm.layers.sequence import Seq


def numbers(kind, seed, path, shape):
    return ops.convert_to_numpy(getattr(Noise(np.uint32(seed)), kind)(shape, path))


def lowbias32(x):
    """Compute the published hash in Python integers."""
    x = (x ^ x >> 16) * 0x7FEB352D & 0xFFFFFFFF
    x = (x ^ x >> 15) * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_bits_are_the_hash_of_index_and_key(seed):
    key = lowbias32(seed ^ zlib.crc32(b"net/body"))
    expected = [lowbias32((index * 0x9E3779B9 + key) & 0xFFFFFFFF) for index in range(6)]
    np.testing.assert_array_equal(numbers("bits", seed, "net/body", (2, 3)).ravel(), expected)


def test_noise_repeats_for_equal_seed_and_path_and_differs_for_others():
    one = numbers("uniform", 5, "a", (4, 5))
    np.testing.assert_array_equal(numbers("uniform", 5, "a", (4, 5)), one)
    for seed, path in [(6, "a"), (5, "b")]:
        assert (numbers("uniform", seed, path, (4, 5)) != one).all()


def test_uniform_fills_the_unit_interval_evenly():
    values = numbers("uniform", 1, "path", (200_000,))
    assert values.dtype == np.float32
    assert 0 <= values.min() and values.max() < 1
    counts, _ = np.histogram(values, bins=20, range=(0, 1))
    assert (((counts - 10_000) ** 2) / 10_000).sum() < 44  # chi squared of 19 degrees of freedom, one in a thousand


@pytest.mark.parametrize("shape", [(3, 5, 7), (4, 6), (9,)])
def test_two_adjacent_elements_of_a_row_use_the_halves_of_one_hash(shape):
    words = (int(np.prod(shape[1:])) + 1) // 2
    hashes_BW = numbers("bits", 3, "path", (shape[0], words))
    halves_BR = np.stack([hashes_BW & 0xFFFF, hashes_BW >> 16], axis=-1).reshape(shape[0], -1)
    kept = ops.convert_to_numpy(Noise(np.uint32(3)).kept(shape, 0.3, "path"))
    np.testing.assert_array_equal(kept, (halves_BR[:, : int(np.prod(shape[1:]))] >= 0.3 * 65536).reshape(shape))


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.99])
def test_the_share_kept_is_that_of_the_rate_and_adjacent_elements_are_not_correlated(rate):
    kept = ops.convert_to_numpy(Noise(np.uint32(1)).kept((1000, 401), rate, "path")).astype("float32")
    assert abs(kept.mean() - (1 - rate)) < 4 * (rate * (1 - rate) / kept.size) ** 0.5
    assert abs(np.corrcoef(kept[:, :-1:2].ravel(), kept[:, 1::2].ravel())[0, 1]) < 0.01


def test_noise_for_a_share_of_the_batch_equals_that_of_these_rows_in_the_full_batch():
    full = ops.convert_to_numpy(Noise(np.uint32(4)).kept((6, 5), 0.5, "path"))
    part = Noise(np.uint32(4), np.int32(2), np.int32(3)).kept((2, 5), 0.5, "path")
    np.testing.assert_array_equal(ops.convert_to_numpy(part), full[3:5])


def test_normal_has_mean_0_deviation_1_and_the_tails_of_a_normal():
    values = numbers("normal", 1, "path", (200_000,))
    assert np.isfinite(values).all()
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.01
    assert abs((abs(values) > 2).mean() - 0.0455) < 0.003


@pytest.mark.parametrize("others", [[(8, "a"), (7, "b")], [(9, "a"), (7, "a/deeper")]])
def test_neighbouring_seeds_and_paths_are_not_correlated(others):
    one = numbers("normal", 7, "a", (50_000,))
    for seed, path in others:
        assert abs(np.corrcoef(one, numbers("normal", seed, path, (50_000,)))[0, 1]) < 0.02


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="traces with TensorFlow")
def test_a_trace_with_unknown_shapes_draws_equal_numbers():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([], "uint32")])
    def traced(x, seed):
        return Noise(seed).normal(ops.shape(x), "path")

    np.testing.assert_allclose(traced(tf.zeros((4, 3)), np.uint32(9)), numbers("normal", 9, "path", (4, 3)), rtol=1e-5)


def test_a_pass_trains_exactly_when_it_has_noise():
    assert not Forward().training
    assert Forward(Noise(np.uint32(1))).training


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts TensorFlow's operations")
def test_a_pass_that_is_not_watched_has_no_operations_for_it():
    import tensorflow as tf

    from t2t_mm.models.multimodel.body import MultiModel
    from t2t_mm.models.multimodel.hparams import MultiModelHparams

    sizes = {"hidden_size": 4, "encoder_blocks": 1, "mixer_blocks": 0, "decoder_blocks": 1, "attention_heads": 2}
    body = MultiModel(MultiModelHparams(**sizes, experts=3, experts_per_token=1, expert_size=4))
    body.build(4)
    x_BLD, real_BL = np.zeros((1, 2, 4), "float32"), np.ones((1, 2), bool)

    def operations(watched):
        forward = Forward(watched=watched)

        @tf.function(autograph=False)
        def traced():
            seq = Seq(tf.constant(x_BLD), tf.constant(real_BL))
            return body.decode(body.encode(seq, forward), seq, forward).values_BLD

        return Counter(operation.type for operation in traced.get_concrete_function().graph.get_operations())

    watched = Watched()
    more = operations(watched) - operations(None)
    assert len(watched.attention) == len(watched.load) == 2  # of mixer and decoder, of encoder and decoder
    assert watched.importance.keys() == watched.load.keys()
    assert more["Mean"] == 2
    assert more["UnsortedSegmentSum"] == 4 == operations(watched)["UnsortedSegmentSum"]
