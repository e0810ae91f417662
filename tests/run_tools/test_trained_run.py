import shutil

import numpy as np
import pytest

from t2t_mm.errors import UserError
from t2t_mm.run_tools.trained_run import find_checkpoint, open_run
from t2t_mm.train import checkpoint


@pytest.fixture
def run(untrained_run, tmp_path):
    return shutil.copytree(untrained_run, tmp_path / "run")


def test_a_run_opens_with_its_problems_and_the_weights_of_its_newest_checkpoint(run):
    tensors, _ = checkpoint.load(run / "model.ckpt-7.safetensors")
    changed = {name: tensor + 1 for name, tensor in tensors.items()}
    checkpoint.save(run, 12, changed | {"net/some/weight/momentum": np.zeros(3)}, {"step": 12}, keep=0)
    opened = open_run(run)
    assert opened.checkpoint == run / "model.ckpt-12.safetensors"
    assert set(opened.decoder.codecs) == {"translate_north_south", "parsing_grammar", "image_shapes"}
    assert opened.decoder.target_ratios["parsing_grammar"] == 3.0
    weights = opened.decoder.net.tensors()
    assert all(np.array_equal(weights[name], changed[name]) for name in weights)


def test_an_earlier_checkpoint_may_be_named_with_or_without_its_suffix(run):
    tensors, state = checkpoint.load(run / "model.ckpt-7.safetensors")
    checkpoint.save(run, 12, tensors, state, keep=0)
    earlier = run / "model.ckpt-7.safetensors"
    assert find_checkpoint(run, run / "model.ckpt-7") == find_checkpoint(run, earlier) == earlier
    with pytest.raises(UserError, match=r"no checkpoint .*ckpt-8\. .*ckpt-7.*ckpt-12"):
        find_checkpoint(run, run / "model.ckpt-8")


def test_a_folder_without_a_run_or_without_a_checkpoint_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        open_run(tmp_path)
    (run / "model.ckpt-7.safetensors").unlink()
    with pytest.raises(UserError, match="has no checkpoint yet"):
        open_run(run)


def test_a_file_that_the_run_needs_must_exist_unchanged(run):
    classes = run / "classes.shapes.txt"
    classes.write_text(classes.read_text().replace("a", "z"))
    with pytest.raises(UserError, match=r"classes\.shapes\.txt was changed since the training"):
        open_run(run)
    classes.unlink()
    with pytest.raises(UserError, match=r"classes\.shapes\.txt is missing"):
        open_run(run)


def test_a_problem_whose_definition_was_changed_is_refused(run, monkeypatch):
    from t2t_mm.problems.builtin_images import ImageShapes

    monkeypatch.setattr(ImageShapes, "command", "to-something-else")
    with pytest.raises(UserError, match="image_shapes was changed since the training"):
        open_run(run)


def test_a_checkpoint_of_another_architecture_is_refused(run):
    tensors, state = checkpoint.load(run / "model.ckpt-7.safetensors")
    name = next(iter(sorted(tensors)))
    checkpoint.save(run, 8, tensors | {name: np.zeros((2, 3), np.float32)}, state, keep=0)
    with pytest.raises(UserError, match=f"another architecture: 1 tensors differ, {name} first"):
        open_run(run)
