"""Classes as a feature."""

import numpy as np
import pytest

from t2t_mm.data.features.label import Label
from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import DataHparams


def prepare(data_dir, feature, *names):
    report_lines = []
    feature.prepare(data_dir, [feature], {"pets": names}, 0, report_lines.append)
    return report_lines


@pytest.fixture
def codec(tmp_path):
    prepare(tmp_path, Label("pets"), "dog", "cat", "dog", "horse")
    return Label("pets").open(tmp_path)


def test_classes_are_the_names_met_sorted(codec, tmp_path):
    assert (tmp_path / "classes.pets.txt").read_text() == "cat\ndog\nhorse\n"
    assert codec.names == ("cat", "dog", "horse")
    assert codec.port == Port("label", "label_pets", 3)


def test_names_given_literally_keep_their_order_and_no_example_is_read(tmp_path):
    def examples():
        raise AssertionError("read")
        yield

    label = Label("pets", names=("horse", "cat"))
    label.prepare(tmp_path, [label], {"pets": examples()}, 0, print)
    assert label.open(tmp_path).names == ("horse", "cat")


def test_a_list_that_is_there_is_kept(codec, tmp_path):
    assert prepare(tmp_path, Label("pets"), "zebra") == []
    assert Label("pets").open(tmp_path).names == codec.names


def test_a_class_is_stored_as_its_index_and_shown_as_its_name(codec):
    stored = codec.store("dog")
    assert stored == b"\x01\0\0\0" and codec.length(stored) == 1
    assert codec.symbols(stored).tolist() == [1] and codec.value(stored) == "dog"
    assert codec.show(codec.load(stored, DataHparams(), None)) == codec.show(np.array(1)) == "dog"
    assert codec.parse(" dog\n", None) == "dog"


def test_rows_without_example_have_class_minus_1(codec):
    arrays = codec.batch([np.array([2]), np.array([0])], rows=4, length=1)
    assert arrays["class"].tolist() == [2, 0, -1, -1] and arrays["class"].dtype == np.int32


def test_an_unknown_class_is_refused_with_the_nearest(codec):
    with pytest.raises(UserError, match="No class is named 'hores'. Did you mean 'horse'?"):
        codec.store("hores")


def test_a_class_without_a_name_is_refused(tmp_path):
    with pytest.raises(UserError, match="names that are empty"):
        prepare(tmp_path, Label("pets"), "dog", "")
    assert not (tmp_path / "classes.pets.txt").exists()


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(UserError, match=r"No list of classes at .*classes\.pets\.txt"):
        Label("pets").open(tmp_path)


def test_of_equally_likely_classes_the_one_that_stands_first_in_the_list_comes_first(codec):
    ranked = codec.likeliest(np.array([0.3, 0.3, 0.4], np.float32))
    assert [name for name, _ in ranked] == ["horse", "cat", "dog"]
    assert [name for name, _ in codec.likeliest(np.full(3, 1 / 3))] == ["cat", "dog", "horse"]


def test_of_several_windows_the_mean_decides(codec):
    ranked = codec.joined([np.array([0.8, 0.1, 0.1]), np.array([0.1, 0.6, 0.3])], None, DataHparams())
    assert ranked == [(name, pytest.approx(share)) for name, share in (("cat", 0.45), ("dog", 0.35), ("horse", 0.2))]
