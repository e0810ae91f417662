"""The input nets of audio."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.feature import Port
from t2t_mm.layers.forward import Forward
from t2t_mm.modalities.audio import AudioSpectral, AudioWaveform
from t2t_mm.registry import HPARAM_SETS

FREQUENCIES = 80


def made(kind, **hparams):
    keras.utils.set_random_seed(0)
    demo = HPARAM_SETS["multimodel_demo"]()
    port = Port("audio", "audio", 0)
    net = kind(port, 12, replace(demo, data=replace(demo.data, audio_channels=4, **hparams)), name="audio")
    net.build()
    for weight in net.trainable_variables:  # shifts begin at zero, which would hide what leaks from pads
        weight.assign_add(0.1 * np.random.default_rng(len(weight.path)).standard_normal(weight.shape))
    return net


SPECTRAL = {"audio_halvings": 3}
NETS = [
    (AudioSpectral, SPECTRAL),
    (AudioSpectral, SPECTRAL | {"audio_flatten": True}),
    (AudioWaveform, {"waveform_halvings": 4}),
]


def noise(kind, length, rows=1, seed=0):
    shape = (rows, length, FREQUENCIES) if kind is AudioSpectral else (rows, length)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run(net, values, lengths):
    name = "frames" if isinstance(net, AudioSpectral) else "samples"
    arrays = {name: ops.convert_to_tensor(values), "lengths": ops.convert_to_tensor(np.array(lengths, np.int32))}
    seq = net.bottom(arrays, Forward())
    return ops.convert_to_numpy(seq.values_BLD), ops.convert_to_numpy(seq.real_BL)


@pytest.mark.parametrize(("frames", "positions"), [(1, 1), (8, 1), (9, 2), (16, 2), (17, 3), (43, 6)])
def test_three_halvings_make_a_position_of_eight_frames_rounded_up(frames, positions):
    values_BLD, real_BL = run(made(AudioSpectral, **SPECTRAL), noise(AudioSpectral, frames), [frames])
    assert values_BLD.shape == (1, positions, 12)
    assert real_BL.all()


def test_flattened_each_frequency_is_a_position_frame_after_frame():
    values_BLD, real_BL = run(made(AudioSpectral, audio_halvings=3, audio_flatten=True), noise(AudioSpectral, 24), [9])
    assert values_BLD.shape == (1, 3 * FREQUENCIES, 12)
    assert real_BL[0].tolist() == [True] * 2 * FREQUENCIES + [False] * FREQUENCIES


def test_without_halvings_frames_are_folded_as_they_are():
    values_BLD, _ = run(made(AudioSpectral, audio_halvings=0), noise(AudioSpectral, 5), [5])
    assert values_BLD.shape == (1, 5, 12)


@pytest.mark.parametrize(("kind", "hparams"), NETS)
@pytest.mark.parametrize("length", [21, 22, 24, 25, 32])  # odd and even lengths at every halving
@pytest.mark.parametrize("behind", [1, 2, 5, 16])
def test_pads_full_of_noise_change_nothing(kind, hparams, length, behind):
    net = made(kind, **hparams)
    exact = noise(kind, length)
    alone_BLD, real_BL = run(net, exact, [length])
    padded = np.concatenate([exact, 100 * noise(kind, behind, seed=1)], axis=1)
    beside_BLD, beside_real_BL = run(net, padded, [length])
    count = int(real_BL.sum())
    assert int(beside_real_BL.sum()) == count
    np.testing.assert_allclose(beside_BLD[:, :count], alone_BLD[:, :count], atol=2e-4)
    assert not beside_BLD[:, count:].any()


@pytest.mark.parametrize(("kind", "hparams"), NETS)
def test_an_audio_clip_does_not_depend_on_the_rest_of_its_batch(kind, hparams):
    net, values = made(kind, **hparams), noise(kind, 40, rows=3)
    together_BLD, _ = run(net, values, [40, 13, 0])
    alone_BLD, real_BL = run(net, values[1:2, :13], [13])
    count = int(real_BL.sum())
    np.testing.assert_allclose(together_BLD[1, :count], alone_BLD[0, :count], atol=2e-4)


@pytest.mark.parametrize(("kind", "hparams"), NETS)
def test_a_negated_audio_clip_gives_another_output(kind, hparams):
    net, values = made(kind, **hparams), noise(kind, 32)
    one_BLD, other_BLD = run(net, values, [32])[0], run(net, -values, [32])[0]
    assert (abs(one_BLD - other_BLD).max(axis=-1) > 0.1).all()


def test_relu_is_not_applied_to_raw_values():
    first, *others = made(AudioSpectral, **SPECTRAL).blocks
    assert not first.first.relu and not first.first.separable and not first.shortcut.relu
    assert all(step.relu for block in others for step in (block.first, block.second, block.shortcut))


def test_a_position_depends_on_frames_near_it_only():
    net, values = made(AudioSpectral, **SPECTRAL), noise(AudioSpectral, 160)
    before_BLD, _ = run(net, values, [160])
    values[0, 80] += 5  # in position 10
    moved_L = abs(run(net, values, [160])[0] - before_BLD).max(axis=-1)[0]
    assert moved_L[10] > 0.01
    assert not moved_L[:7].any() and not moved_L[14:].any()


def test_widths_double_from_the_least_to_that_of_the_body():
    net = made(AudioWaveform, waveform_halvings=6)
    assert [block.first.size for block in net.blocks] == [4, 4, 8, 12, 12, 12]  # 2, 4, 8, 16, 32, 64 within [4, 12]


def test_the_paper_set_has_eight_blocks_from_2_to_256_channels_and_keeps_every_frequency():
    paper = HPARAM_SETS["multimodel_paper"]()
    net = AudioSpectral(Port("audio", "audio", 0), 1024, paper, name="audio")
    with keras.StatelessScope(initialize_variables=False):
        net.build()
    assert [block.first.size for block in net.blocks] == [2, 4, 8, 16, 32, 64, 128, 256]
    assert net.flatten and net.fold.weight_CD.shape == (256, 1024)
