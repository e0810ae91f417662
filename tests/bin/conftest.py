"""Images to decode, and the library's answers to them."""

import numpy as np
import pytest
from PIL import Image

from t2t_mm.run_tools.trained_run import open_run


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Make a folder of four images of noise, 0.png to 3.png, and a broken one."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(4):
        pixels_HWC = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8) // (number + 1)
        Image.fromarray(pixels_HWC).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG and no more")
    return folder


@pytest.fixture(scope="module")
def answers(untrained_run, images):
    """Return the library's answer to each image: its classes with their probabilities, best first."""
    paths = sorted(images.glob("?.png"))
    results = open_run(untrained_run).decoder.decode("image_shapes", [path.read_bytes() for path in paths])
    return {path.name: result.answers for path, result in zip(paths, results, strict=True)}
