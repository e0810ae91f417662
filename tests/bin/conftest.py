"""Pictures to decode, and what the library says of them."""

import numpy as np
import pytest
from PIL import Image

from t2t_mm.run_tools.trained_run import open_run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of four pictures, 0.png to 3.png, of noise."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(4):
        pixels_HWC = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8) // (number + 1)
        Image.fromarray(pixels_HWC).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG and no more")
    return folder


@pytest.fixture(scope="module")
def answers(untrained_run, pictures):
    """What the library says of each picture: its classes with their probabilities, best first."""
    paths = sorted(pictures.glob("?.png"))
    results = open_run(untrained_run).decoder.decode("image_shapes", [path.read_bytes() for path in paths])
    return {path.name: result.answers for path, result in zip(paths, results, strict=True)}
