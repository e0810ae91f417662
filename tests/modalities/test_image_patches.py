"""The modality net that cuts images into patches."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.layers.forward import Forward
from t2t_mm.modalities.image_patches import ImagePatches, cut
from t2t_mm.registry import HPARAM_SETS

WIDTH = 8
HPARAMS = HPARAM_SETS["vit_tiny"]().override("image_size=12,image_patch=4")
PORT = Port("image", "image", 0)


@pytest.fixture(scope="module")
def net(scrambled):
    image = ImagePatches(PORT, WIDTH, HPARAMS, name="image")
    image.build()
    return scrambled(image)


def images(rows=2, side=12):
    return np.random.default_rng(0).integers(0, 256, (rows, side, side, 3)).astype("uint8")


def run(net, pixels_BHWC, forward=None):
    seq = net.bottom({"pixels": ops.convert_to_tensor(pixels_BHWC)}, forward or Forward())
    return seq, ops.convert_to_numpy(seq.values_BLD)


def test_patches_come_row_by_row_and_so_do_the_pixels_of_each():
    x_HW = np.arange(16.0).reshape(4, 4)
    patches_LP = ops.convert_to_numpy(cut(ops.convert_to_tensor(x_HW[None, :, :, None]), 2))[0]
    expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    np.testing.assert_array_equal(patches_LP, expected)


def test_the_channels_of_a_pixel_stay_together():
    x_HWC = np.arange(12.0).reshape(1, 2, 2, 3)
    np.testing.assert_array_equal(ops.convert_to_numpy(cut(ops.convert_to_tensor(x_HWC), 2))[0, 0], np.arange(12.0))


def test_a_patch_becomes_its_projection_plus_the_position(net):
    pixels = images()
    _, out_BLD = run(net, pixels)
    for row, column in np.ndindex(3, 3):
        patch_P = pixels[1, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].reshape(-1) / 127.5 - 1
        expected_D = patch_P @ net.embed_PD.numpy() + net.positions.rows_LD.numpy()[3 * row + column]
        np.testing.assert_allclose(out_BLD[1, 3 * row + column], expected_D, rtol=1e-4, atol=1e-4)


def test_the_projection_is_keras_convolution_with_the_patch_as_kernel_and_stride(net):
    layer = keras.layers.Conv2D(WIDTH, 4, strides=4, use_bias=False)
    layer.build((None, 12, 12, 3))
    layer.set_weights([net.embed_PD.numpy().reshape(4, 4, 3, WIDTH)])
    pixels = images()
    expected = ops.reshape(layer(ops.cast(pixels, "float32") / 127.5 - 1.0), (2, 9, WIDTH)) + net.positions()
    np.testing.assert_allclose(run(net, pixels)[1], ops.convert_to_numpy(expected), rtol=1e-4, atol=1e-4)


def test_black_is_minus_one_and_white_is_one(net):
    positions_LD = net.positions.rows_LD.numpy()
    total_D = net.embed_PD.numpy().sum(axis=0)
    for shade, sign in ((0, -1), (255, 1)):
        _, out_BLD = run(net, np.full((1, 12, 12, 3), shade, "uint8"))
        np.testing.assert_allclose(out_BLD[0] - positions_LD, np.tile(sign * total_D, (9, 1)), atol=1e-4)


def test_the_result_knows_its_grid_and_has_no_pads(net):
    seq, _ = run(net, images(3))
    assert seq.grid == (3, 3) and seq.values_BLD.shape == (3, 9, WIDTH)
    assert ops.convert_to_numpy(seq.real_BL).all() and seq.real_BL.shape == (3, 9)


def test_values_come_in_the_type_that_is_asked_for(net):
    seq = net.bottom({"pixels": images()}, Forward())
    assert keras.backend.standardize_dtype(seq.values_BLD.dtype) == "float32"


@pytest.mark.parametrize(("size", "patch", "next_size"), [(33, 4, 36), (30, 16, 32), (3, 4, 4)])
def test_patches_that_do_not_divide_the_image_are_refused(size, patch, next_size):
    hparams = HPARAMS.override(f"image_size={size},image_patch={patch}")
    with pytest.raises(UserError, match=f"{patch} x {patch} pixels do not divide .* image_size={next_size}"):
        ImagePatches(PORT, WIDTH, hparams, name="image")


def test_images_of_another_size_are_refused(net):
    with pytest.raises(ValueError, match=r"images must be \[12, 12, 3\]; received \[16, 16, 3\]"):
        net.bottom({"pixels": images(side=16)}, Forward())


def test_a_patch_as_large_as_the_image_is_one_position():
    image = ImagePatches(PORT, WIDTH, HPARAMS.override("image_patch=12"), name="image")
    image.build()
    assert run(image, images())[0].grid == (1, 1)
