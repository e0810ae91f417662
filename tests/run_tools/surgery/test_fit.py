"""Arrays of one net fitted to another."""

import numpy as np
import pytest

from t2t_mm.errors import UserError
from t2t_mm.run_tools.surgery.fit import fit

EXPERTS = "net/body/encoder/experts"


def test_arrays_of_both_nets_are_kept_and_the_others_are_new_or_dropped():
    kept, dropped, initial = np.array([1.0, 2.0]), np.array([3.0]), np.array([[4.0]])
    fitted = fit({"a": kept, "b": dropped}, {"a": np.zeros(2), "c": initial}, {})
    assert fitted.arrays.keys() == {"a", "c"} and fitted.arrays["a"] is kept and fitted.arrays["c"] is initial
    assert (fitted.kept, fitted.cut, fitted.new, fitted.dropped) == (["a"], [], ["c"], ["b"])


def test_experts_are_removed_from_their_axis_with_their_slots():
    gate_DE, hidden_EDH = np.array([[1, 2, 3], [4, 5, 6]]), np.arange(3 * 2 * 2).reshape(3, 2, 2)
    there = {f"{EXPERTS}/gate": gate_DE, f"{EXPERTS}/gate/c": gate_DE[0], f"{EXPERTS}/gate/r": gate_DE[:, 0]}
    here = {f"{EXPERTS}/gate": np.zeros((2, 2)), f"{EXPERTS}/gate/c": np.zeros(2), f"{EXPERTS}/gate/r": np.zeros(2)}
    fitted = fit(
        there | {f"{EXPERTS}/hidden": hidden_EDH}, here | {f"{EXPERTS}/hidden": np.zeros((2, 2, 2))}, {EXPERTS: [0, 2]}
    )
    np.testing.assert_array_equal(fitted.arrays[f"{EXPERTS}/gate"], [[1, 3], [4, 6]])
    np.testing.assert_array_equal(fitted.arrays[f"{EXPERTS}/gate/c"], [1, 3])
    np.testing.assert_array_equal(fitted.arrays[f"{EXPERTS}/gate/r"], [1, 4])  # a mean over experts is not changed
    np.testing.assert_array_equal(fitted.arrays[f"{EXPERTS}/hidden"], [[[0, 1], [2, 3]], [[8, 9], [10, 11]]])
    assert fitted.kept == [f"{EXPERTS}/gate/r"] and len(fitted.cut) == 3


def test_another_shape_is_refused():
    for name, shape in (("net/text/embed", (2, 3)), (f"{EXPERTS}/gate", (3, 2)), (f"{EXPERTS}/gate", (2,))):
        with pytest.raises(UserError, match=rf"{name} has the shape \(2, 4\) in the run and"):
            fit({name: np.zeros((2, 4))}, {name: np.zeros(shape)}, {EXPERTS: [0, 1]})
