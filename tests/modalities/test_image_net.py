"""The modality net of images."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.layers.forward import Forward
from t2t_mm.modalities.image import Image, standardised
from t2t_mm.registry import HPARAM_SETS

HPARAMS = HPARAM_SETS["multimodel_demo"]()


@pytest.fixture(scope="module")
def net():
    keras.utils.set_random_seed(0)
    image = Image(Port("image", "image", 0), 8, HPARAMS, name="image")
    image.build()
    return image


def images(height=32, width=32, rows=2):
    return np.random.default_rng(0).integers(0, 256, (rows, height, width, 3)).astype("uint8")


def run(net, pixels_BHWC):
    return net.bottom({"pixels": ops.convert_to_tensor(pixels_BHWC)}, Forward())


@pytest.mark.parametrize(("height", "width", "grid"), [(32, 32, (2, 2)), (16, 48, (1, 3)), (40, 33, (3, 3))])
def test_each_side_becomes_16_times_smaller_rounded_up(net, height, width, grid):
    seq = run(net, images(height, width))
    assert seq.grid == grid
    assert seq.values_BLD.shape == (2, grid[0] * grid[1], 8)
    assert ops.convert_to_numpy(seq.real_BL).all() and seq.real_BL.shape == (2, grid[0] * grid[1])


def test_the_grid_is_flattened_row_by_row(net):
    pixels = images(32, 48)
    grid_BHWD = standardised(pixels)
    for layer in net.flow:
        grid_BHWD = layer(grid_BHWD)
    result_BLD = ops.convert_to_numpy(run(net, pixels).values_BLD)
    for row, column in np.ndindex(2, 3):
        expected_BD = ops.convert_to_numpy(grid_BHWD[:, row, column])
        np.testing.assert_allclose(result_BLD[:, 3 * row + column], expected_BD, atol=1e-5)


def test_a_negated_image_gives_another_output(net):
    pixels = images()
    one_BLD, other_BLD = (ops.convert_to_numpy(run(net, x).values_BLD) for x in (pixels, 255 - pixels))
    assert (abs(one_BLD - other_BLD).max(axis=-1) > 0.1).all()


def test_relu_is_not_applied_to_raw_pixels(net):
    first = net.flow[0]
    assert not first.relu and not first.separable
    first_B = ops.convert_to_numpy(first(standardised(255 - images())) + first(standardised(images())))
    np.testing.assert_allclose(first_B, 0, atol=1e-3)  # linear up to the norm: the negated input is negated


def test_channels_grow_to_the_width_of_the_body():
    image = Image(Port("image", "image", 0), 200, HPARAMS, name="image")
    image.build()
    assert [step.size for step in image.flow[:2]] == [32, 64]
    assert [block.first.size for block in image.flow[2:]] == [128, 200, 200]


def test_brightness_and_contrast_of_an_image_do_not_matter(net):
    pixels = images() // 2
    one, other = (ops.convert_to_numpy(run(net, x).values_BLD) for x in (pixels, 2 * pixels + 1))
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_pixels_are_standardised_and_a_flat_image_stays_flat():
    x = np.array([[[[0, 0, 0], [200, 200, 200]]], [[[7, 7, 7], [7, 7, 7]]]], "uint8")
    out = ops.convert_to_numpy(standardised(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(out[0, 0, :, 0], np.array([-100, 100]) / max(100, 255 * 6**-0.5), rtol=1e-5)
    np.testing.assert_array_equal(out[1], 0)
    noise = ops.convert_to_numpy(standardised(ops.convert_to_tensor(images())))
    np.testing.assert_allclose([noise.mean(axis=(1, 2, 3)), noise.std(axis=(1, 2, 3))], [[0, 0], [1, 1]], atol=1e-5)


def test_an_image_does_not_depend_on_the_rest_of_its_batch(net):
    pixels = images(rows=3)
    whole_BLD = ops.convert_to_numpy(run(net, pixels).values_BLD)
    np.testing.assert_allclose(ops.convert_to_numpy(run(net, pixels[1:2]).values_BLD)[0], whole_BLD[1], atol=1e-5)


def test_another_image_patch_is_refused():
    other = Image(Port("image", "image", 0), 8, HPARAMS.override("image_patch=8"), name="image")
    with pytest.raises(UserError, match="image_patch must be 16. Received: 8"):
        other.build()
