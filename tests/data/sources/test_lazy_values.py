"""Values that are read on access."""

from t2t_mm.data.sources.lazy_values import LazyValues


def test_a_function_is_called_each_time_it_is_asked_for_and_not_before():
    calls = []
    values = LazyValues(inputs=lambda: calls.append("read") or b"image", targets=("a dog", "a hound"))
    assert values["targets"] == ("a dog", "a hound") and not calls
    assert values["inputs"] == b"image" and calls == ["read"]
    assert dict(values) == {"inputs": b"image", "targets": ("a dog", "a hound")} == values
    assert len(values) == 2 and "inputs" in values
