"""Fixtures of tests that compare with numbers of other implementations, made by tests/golden/make_models.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
OURS_ONLY = {"net/commands/rows"}  # no other implementation has this weight, and heads do not read it

Arrays = dict[str, Any]  # by name: an array, or a nested dict of the same kind


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Arrays]:
    """Load the arrays of a file by name; those named "weights/..." are nested under "weights"."""

    def load(name: str) -> Arrays:
        result: Arrays = {}
        with np.load(GOLDEN / f"{name}.npz") as file:
            for path, value in file.items():
                *folders, last = path.split("/")
                place = result
                for folder in folders:
                    place = place.setdefault(folder, {})
                place[last] = value
        return result

    return load


@pytest.fixture(scope="session")
def assign_weights() -> Callable[..., Any]:
    """Assign to every weight of a layer the value at its path. Weights and values must have the same paths."""

    def give(layer: Any, values: dict[str, np.ndarray]) -> Any:
        own = {weight.path: weight for weight in layer.weights if weight.path not in OURS_ONLY}
        assert own.keys() == values.keys()
        for path, weight in own.items():
            weight.assign(values[path])
        return layer

    return give


@pytest.fixture(scope="session")
def agree() -> Callable[..., None]:
    """Check gradients by path, up to a hundred-thousandth of each one's largest number or of 1."""

    def check(result: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
        assert result.keys() - OURS_ONLY == right.keys()
        for path, value in right.items():
            largest = abs(value).max()
            assert largest > 1e-3, path  # otherwise the comparison means nothing
            np.testing.assert_allclose(result[path], value, atol=1e-5 * max(1.0, largest), rtol=1e-5, err_msg=path)

    return check
