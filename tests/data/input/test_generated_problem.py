"""Generated problems, opened."""

import shutil

import pytest

from t2t_mm.data.features.label import Label
from t2t_mm.data.features.scan import Scan
from t2t_mm.data.features.text import Text
from t2t_mm.data.input.generated_problem import open_codecs, open_problem, signature_without_files
from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature

ROWS = {"train": [("one dog", "dog"), ("one cat", "cat")], "dev": [("a dog", "dog")]}


@pytest.fixture
def ready(make_ready):
    return make_ready(ROWS, name="pets", targets=Label("pets"), command="to-label")


def test_the_signature_says_what_a_model_must_know(ready):
    size = ready.codecs["inputs"].vocabulary.size
    text, label = Port("text", "text_subwords", size), Port("label", "label_pets", 2)
    assert ready.signature == Signature(inputs=text, targets=label, command="to-label")


def test_a_problem_without_inputs_has_a_signature_without(make_ready):
    assert make_ready(ROWS, inputs=None).signature.inputs is None


def test_a_signature_without_files_has_modalities_but_no_sizes(make_problem):
    of_files = make_problem(ROWS, targets=Label("pets"), command="to-label")
    assert signature_without_files(of_files) == Signature(
        Port("text", "text", 0), Port("label", "label", 0), "to-label"
    )
    of_none = make_problem(ROWS, inputs=Scan(28, 28, by_row=True), targets=Label("pets"))
    assert signature_without_files(of_none).inputs == Port("scan", "scan_28", 28)  # known without a file
    assert signature_without_files(make_problem(ROWS, inputs=None)).inputs is None


def test_a_feature_that_says_another_modality_than_its_port_is_a_mistake(ready, monkeypatch, tmp_path):
    monkeypatch.setattr(Label, "modality", "text")
    with pytest.raises(ValueError, match="has the modality 'text', but its codec's port has 'label'"):
        open_codecs(ready.problem, tmp_path / "data")


def test_codecs_open_in_a_folder_that_holds_the_files_alone(ready, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for file in ready.manifest.fingerprints:
        shutil.copy(tmp_path / "data" / file, run)
    codecs = open_codecs(ready.problem, run)
    assert list(codecs) == ["inputs", "targets"]
    assert codecs["targets"].names == ("cat", "dog")
    assert codecs["inputs"].store("one dog") == ready.codecs["inputs"].store("one dog")


def test_a_problem_that_was_not_generated_is_refused(make_problem, tmp_path):
    with pytest.raises(UserError, match="There is no generated data in .*pets; t2t-mm-datagen makes it"):
        open_problem("pets", make_problem(ROWS), tmp_path)


def test_another_list_of_classes_is_refused_with_both_named(ready, tmp_path):
    (tmp_path / "data" / "classes.pets.txt").write_text("cat\ndog\nzebra\n")
    with pytest.raises(UserError, match=r"pets was not generated with this .*classes\.pets\.txt"):
        open_problem("pets", ready.problem, tmp_path / "data")


def test_records_of_other_features_are_refused(ready, make_problem, tmp_path):
    changed = make_problem(ROWS, inputs=None, targets=Label("pets"))
    with pytest.raises(UserError, match="holds the features inputs, targets, but pets has targets"):
        open_problem("pets", changed, tmp_path / "data")


def test_a_vocabulary_that_the_records_do_not_know_is_refused(ready, make_problem, tmp_path):
    changed = make_problem(ROWS, inputs=Text("other"), targets=Label("pets"))
    with pytest.raises(UserError, match=r"needs .*vocab\.other\.model, which does not exist"):
        open_problem("pets", changed, tmp_path / "data")
