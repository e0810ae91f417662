"""Spectra through convolutions of stride 2."""

import numpy as np
import pytest
from building_blocks import built
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.layers.forward import Forward
from t2t_mm.modalities.audio_subsampling import AudioSubsampling
from t2t_mm.registry import HPARAM_SETS

WIDTH = 6


def made(scrambled, **hparams):
    changes = ",".join(f"{name}={value}" for name, value in ({"hidden_size": 8} | hparams).items())
    port = Port("audio_spectral", "audio", 0)
    net = AudioSubsampling(port, WIDTH, HPARAM_SETS["conformer_tiny"]().override(changes), name="audio")
    return scrambled(built(net))


def noise(rows, length, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, length, 80)).astype("float32")


def run(net, values_BTF, lengths):
    seq = net.bottom({"frames": values_BTF, "lengths": np.array(lengths, "int32")}, Forward())
    return ops.convert_to_numpy(seq.values_BLD), ops.convert_to_numpy(seq.real_BL)


@pytest.mark.parametrize(("frames", "positions"), [(1, 1), (4, 1), (5, 2), (8, 2), (43, 11)])
def test_two_convolutions_make_a_position_of_four_frames_rounded_up(frames, positions, scrambled):
    values_BLD, real_BL = run(made(scrambled), noise(1, frames), [frames])
    assert values_BLD.shape == (1, positions, WIDTH)
    assert real_BL.all()


def convolved(x_TFC, kernel, shift):
    """ReLU of a 3 x 3 convolution of stride 2, whose window at (t, f) begins at (2 t, 2 f), zeros beyond the end."""
    moments, frequencies = x_TFC.shape[0] // 2, x_TFC.shape[1] // 2
    x_TFC = np.pad(x_TFC, [(0, 1), (0, 1), (0, 0)])
    out = np.zeros((moments, frequencies, kernel.shape[-1]))
    for t in range(moments):
        for f in range(frequencies):
            window = x_TFC[2 * t : 2 * t + 3, 2 * f : 2 * f + 3]
            out[t, f] = np.einsum("tfc,tfcd->d", window, kernel) + shift
    return np.maximum(out, 0)


def test_values_are_two_convolutions_and_a_linear_layer(scrambled):
    net, frames_BTF = made(scrambled), noise(1, 8)
    x_TFC = frames_BTF[0][..., None]
    for block in net.blocks:
        x_TFC = convolved(x_TFC, block.taps.numpy(), block.shift_C.numpy())
    expected_LD = x_TFC.reshape(2, -1) @ net.fold.weight_CD.numpy() + net.fold.shift_D.numpy()
    np.testing.assert_allclose(run(net, frames_BTF, [8])[0][0], expected_LD, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("length", [5, 6, 7, 8])
@pytest.mark.parametrize("behind", [1, 2, 3, 9])
def test_pads_full_of_noise_change_nothing(length, behind, scrambled):
    net, frames_BTF = made(scrambled), noise(1, length)
    longer_BTF = np.concatenate([frames_BTF, 50 * noise(1, behind, seed=1)], axis=1)
    one_BLD, _ = run(net, frames_BTF, [length])
    other_BLD, real_BL = run(net, longer_BTF, [length])
    assert real_BL.sum() == one_BLD.shape[1]
    np.testing.assert_allclose(other_BLD[real_BL], one_BLD[0], rtol=1e-4, atol=1e-4)
    assert not other_BLD[~real_BL].any()


def test_a_row_without_audio_is_all_pads(scrambled):
    values_BLD, real_BL = run(made(scrambled), noise(2, 8), [8, 0])
    assert real_BL.tolist() == [[True, True], [False, False]]
    assert not values_BLD[1].any()


def test_half_as_many_halvings_make_positions_of_20_ms(scrambled):
    assert run(made(scrambled, audio_halvings=1), noise(1, 8), [8])[0].shape == (1, 4, WIDTH)


def test_flattening_is_refused(scrambled):
    with pytest.raises(UserError, match="Set audio_flatten=false"):
        made(scrambled, audio_flatten=True)
