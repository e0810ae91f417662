"""What tests that stand on the figures of other implementations share: tests/golden/make_models.py makes these."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
OF_OURS_ALONE = {"net/commands/rows"}  # which no other implementation has, and no model with a head reads

Arrays = dict[str, Any]  # by name: an array, or for names below a common one the same again


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Arrays]:
    """The arrays of a file; those named "weights/..." stand together under "weights"."""

    def load(name: str) -> Arrays:
        found: Arrays = {}
        with np.load(GOLDEN / f"{name}.npz") as file:
            for path, value in file.items():
                *folders, last = path.split("/")
                place = found
                for folder in folders:
                    place = place.setdefault(folder, {})
                place[last] = value
        return found

    return load


@pytest.fixture(scope="session")
def given() -> Callable[..., Any]:
    """Give every weight of a layer the value at its path, and every value a weight."""

    def give(layer: Any, values: dict[str, np.ndarray]) -> Any:
        own = {weight.path: weight for weight in layer.weights if weight.path not in OF_OURS_ALONE}
        assert own.keys() == values.keys()
        for path, weight in own.items():
            weight.assign(values[path])
        return layer

    return give


@pytest.fixture(scope="session")
def agree() -> Callable[..., None]:
    """Gradients by path are those that are right, up to a hundred-thousandth of each one's largest number or of 1."""

    def check(found: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
        assert found.keys() - OF_OURS_ALONE == right.keys()
        for path, value in right.items():
            largest = abs(value).max()
            assert largest > 1e-3, path  # else nothing is said
            np.testing.assert_allclose(found[path], value, atol=1e-5 * max(1.0, largest), rtol=1e-5, err_msg=path)

    return check
