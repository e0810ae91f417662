"""SpecAugment: the limits of each policy, and that it is a function of its generator."""

from dataclasses import replace

import numpy as np
import pytest

from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.audio_file import AudioClip
from t2t_mm.data.features.log_mel import log_mel
from t2t_mm.data.features.spec_augment import POLICIES, SpecAugmentPolicy, random_band, spec_augment, time_warp
from t2t_mm.data.keyed_rng import generator
from t2t_mm.errors import UnknownName
from t2t_mm.hparam_set import SPEC_AUGMENT, DataHparams

FRAMES_TF = 1 + np.random.default_rng(0).random((300, 80)).astype("float32")  # nothing is 0 but for a mask
STILL = SpecAugmentPolicy(0, 0, 0, 0, 1.0, 0)


def zeros(frames_TF):
    """Return the runs of frames and of frequencies that are masked completely, as (begin, end)."""
    runs = []
    for masked in ((frames_TF == 0).all(axis=1), (frames_TF == 0).all(axis=0)):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], masked.astype(int), [0]])))
        runs.append(list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)))
    return runs


def test_the_papers_table():
    expected = {
        "LB": SpecAugmentPolicy(80, 27, 1, 100, 1.0, 1),
        "LD": SpecAugmentPolicy(80, 27, 2, 100, 1.0, 2),
        "SM": SpecAugmentPolicy(40, 15, 2, 70, 0.2, 2),
        "SS": SpecAugmentPolicy(40, 27, 2, 70, 0.2, 2),
    }
    assert {name: POLICIES[name] for name in expected} == expected
    assert ("none", *POLICIES) == SPEC_AUGMENT


def test_a_mask_lies_within_and_reaches_every_width_and_place():
    bands = [random_band(5, 3, np.random.default_rng(seed)) for seed in range(600)]
    assert {end - begin for begin, end in bands} == {0, 1, 2, 3}
    assert all(0 <= begin <= end <= 5 for begin, end in bands)
    for width in (1, 2, 3):  # begins from 0 to below 5 - width
        assert {begin for begin, end in bands if end - begin == width} == set(range(5 - width))


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("frames", [1, 2, 37, 300])
def test_no_mask_is_wider_than_its_policy_says_and_the_original_stays(name, frames):
    policy, original_TF = replace(POLICIES[name], warp=0), FRAMES_TF[:frames].copy()
    widest = int(policy.share * frames) if policy.time is None else min(policy.time, int(policy.share * frames))
    for seed in range(30):
        out_TF = spec_augment(original_TF, policy, np.random.default_rng(seed))
        assert out_TF.shape == original_TF.shape and out_TF.dtype == np.float32
        kept = out_TF != 0
        np.testing.assert_array_equal(out_TF[kept], original_TF[kept])
        by_time, by_frequency = zeros(out_TF)
        if kept.any():
            assert sum(end - begin for begin, end in by_time) <= policy.time_masks * widest
            assert sum(end - begin for begin, end in by_frequency) <= policy.frequency_masks * policy.frequency
            assert (by_time or by_frequency) or kept.all()
    np.testing.assert_array_equal(original_TF, FRAMES_TF[:frames])


def test_two_masks_of_each_kind_are_often_seen_apart():
    seen = [
        zeros(spec_augment(FRAMES_TF, replace(POLICIES["SM"], warp=0), np.random.default_rng(s))) for s in range(40)
    ]
    assert max(len(by_time) for by_time, _ in seen) == 2
    assert max(len(by_frequency) for _, by_frequency in seen) == 2


def test_masks_cover_the_share_that_widths_drawn_evenly_cover():
    policy = replace(STILL, time=100, time_masks=1)
    share = np.mean([(spec_augment(FRAMES_TF, policy, np.random.default_rng(s)) == 0).mean() for s in range(400)])
    assert share == pytest.approx(50 / 300, abs=0.02)


class Drawn:
    """A generator that says what it is told to."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)
        self.ranges = []

    def integers(self, *limits):
        self.ranges.append(limits)
        return self.numbers.pop(0)


def test_a_warp_by_hand():
    ramp_TF = np.arange(11, dtype="float32")[:, None]
    drawn = Drawn(4, 2)  # moment 4 comes to stand at 6
    out_T = time_warp(ramp_TF, 2, drawn)[:, 0]
    assert drawn.ranges == [(3, 9), (-2, 3)]  # the moment from W + 1 to T - W - 1, its way from -W to W
    np.testing.assert_allclose(out_T, [0, 2 / 3, 4 / 3, 2, 8 / 3, 10 / 3, 4, 5.5, 7, 8.5, 10], rtol=1e-5)


def test_a_warp_keeps_both_ends_and_the_order_of_frames():
    ramp_TF = np.arange(200, dtype="float32")[:, None]
    moved = []
    for seed in range(50):
        out_T = time_warp(ramp_TF, 40, np.random.default_rng(seed))[:, 0]
        assert (out_T[0], out_T[-1]) == (0, 199)
        assert (np.diff(out_T) > 0).all()
        moved.append(abs(out_T - ramp_TF[:, 0]).max())
    assert 20 < max(moved) <= 40.001


@pytest.mark.parametrize("frames", [1, 80, 81])
def test_an_audio_clip_without_a_moment_far_enough_from_both_ends_is_not_warped(frames):
    out_TF = time_warp(FRAMES_TF[:frames], 40, np.random.default_rng(0))
    np.testing.assert_array_equal(out_TF, FRAMES_TF[:frames])
    assert out_TF is not FRAMES_TF


SOUND = AudioClip(np.random.default_rng(0).integers(-9000, 9000, 32000).astype(np.int16), 16000)


def test_training_audio_is_masked_by_id_and_epoch_and_other_audio_never(tmp_path):
    codec = Audio().open(tmp_path)
    stored = codec.store(SOUND)
    plain_TF = log_mel(np.frombuffer(stored, "<i2"))
    for hparams, uniform in (
        (DataHparams(), generator(0, "train/1", "inputs", 0)),
        (DataHparams(spec_augment="SM"), None),
    ):
        np.testing.assert_array_equal(codec.load(stored, hparams, uniform), plain_TF)

    def load(*key):
        return codec.load(stored, DataHparams(spec_augment="SM"), generator(*key))

    one_TF = load(0, "train/1", "inputs", 0)
    np.testing.assert_array_equal(load(0, "train/1", "inputs", 0), one_TF)
    for key in ((0, "train/1", "inputs", 1), (0, "train/2", "inputs", 0), (1, "train/1", "inputs", 0)):
        assert (load(*key) != one_TF).any()


def test_waveforms_are_left_alone(tmp_path):
    codec = Audio("waveform").open(tmp_path)
    stored = codec.store(SOUND)
    loaded = [codec.load(stored, DataHparams(spec_augment=name), generator(0)) for name in ("none", "LD")]
    np.testing.assert_array_equal(*loaded)


def test_a_policy_of_another_name_is_refused():
    with pytest.raises(UnknownName, match="LC"):
        DataHparams(spec_augment="LC")
