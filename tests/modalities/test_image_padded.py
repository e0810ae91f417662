"""Images as they are, for layers that all tasks share."""

import numpy as np
import pytest
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.layers.forward import Forward
from t2t_mm.modalities.image_padded import ImagePadded
from t2t_mm.registry import HPARAM_SETS

WHITE, BLACK = 255, 0


def net(width=5, changes=""):
    hparams = HPARAM_SETS["soft_ordering_omniglot_small"]().override(changes)
    return ImagePadded(Port("image", "image", 0), width, hparams, name="images")


def read(pixels_BHW):
    """float[B, H * W, 5] of grey images."""
    pixels = np.repeat(np.array(pixels_BHW, np.uint8)[..., None], 3, axis=-1)
    return ops.convert_to_numpy(net().bottom({"pixels": pixels}, Forward()).values_BLD)


def test_an_image_minus_its_mean_fills_the_first_channels():
    # Three white pixels and a black one: the mean is 3/4.
    values_BLD = read([[[WHITE, WHITE], [BLACK, WHITE]]])
    white, black = [0.25] * 3 + [0.0] * 2, [-0.75] * 3 + [0.0] * 2
    np.testing.assert_allclose(values_BLD, [[white, white, black, white]], atol=1e-6)


def test_inverted_images_give_negated_values():
    on_white, on_black = read([[[WHITE, WHITE], [BLACK, WHITE]], [[BLACK, BLACK], [WHITE, BLACK]]])
    np.testing.assert_allclose(on_white, -on_black, atol=1e-6)


def test_an_image_does_not_depend_on_another():
    batch = read([[[WHITE, BLACK]], [[WHITE, WHITE]]])
    np.testing.assert_allclose(batch[1], 0.0, atol=1e-6)
    np.testing.assert_allclose(batch[:1], read([[[WHITE, BLACK]]]), atol=1e-6)


def test_a_dense_core_and_too_few_channels_are_refused():
    with pytest.raises(UserError, match="Received: core=dense"):
        net(changes="core=dense")
    with pytest.raises(UserError, match="at least 3, a pixel's colours. Received: 2"):
        net(width=2)
