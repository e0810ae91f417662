"""Beginning with the weights of another run."""

from pathlib import Path

import numpy as np
import pytest
from building_blocks import built

from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train import checkpoint
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.warm_start import read, warm_start

WORDS, SIZE, COLOUR = Port("text", "text_words", 9), Port("label", "label_size", 3), Port("label", "label_colour", 4)
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=0,attention=False,dropout=0"
)


def made(**problems):
    net = built(Net(problems, HPARAMS))
    return net, Optimizer(net.trainable_variables, net.commands, HPARAMS.override("ema_decay=0.9").training)


@pytest.fixture(scope="module")
def trained():
    """The tensors of a net that tells sizes and translates, all ones, averaged to twos; moments of nines."""
    net, optimizer = made(size=Signature(WORDS, SIZE, "to-label"), german=Signature(WORDS, WORDS, "to-german"))
    slots = {
        name: np.full_like(value, 2 if name.endswith("average") else 9) for name, value in optimizer.tensors().items()
    }
    return {name: np.ones_like(value) for name, value in net.tensors().items()} | slots


def test_what_fits_is_taken_and_new_heads_begin_anew(trained):
    net, optimizer = made(colour=Signature(WORDS, COLOUR, "to-colour"), german=Signature(WORDS, WORDS, "to-german"))
    before = net.tensors()
    warm = warm_start(net, optimizer, trained)
    after = net.tensors()
    fresh = {path for path in before if "colour" in path}
    assert set(warm.absent) == fresh == set(warm.fresh) and fresh
    assert "net/commands/to-german" in warm.taken and "net/commands/to-colour" in warm.absent
    for path, value in after.items():
        np.testing.assert_array_equal(value, before[path] if path in fresh else np.full_like(value, 2))
    for name, value in optimizer.tensors().items():
        right = after[name.removesuffix("/average")] if name.endswith("/average") else np.zeros_like(value)
        np.testing.assert_array_equal(value, right)
    assert {path.split("/")[1] for path in warm.left} == {"label_size", "commands"}
    assert warm.numbers == sum(value.size for path, value in after.items() if path not in fresh)


def test_shapes_that_differ_and_other_vocabularies_are_named(trained):
    there = dict(trained)
    [path] = [path for path in there if path.startswith("net/body/encoder") and path.endswith("pointwise")][:1]
    there[path] = np.ones((5, 8), "float32")
    for slot in ("m", "v", "average"):
        there.pop(f"{path}/{slot}")
    net, optimizer = made(size=Signature(WORDS, SIZE, "to-label"), german=Signature(WORDS, WORDS, "to-german"))
    before = net.tensors()
    warm = warm_start(net, optimizer, there, ["text_words"])
    assert warm.misshapen == {path: f"((5, 8) there, {before[path].shape} here)"}
    assert {one.split("/")[1] for one in warm.other_vocabulary} == {"text_words"}
    lines = "\n".join(warm.lines(Path("old/model.ckpt-9.safetensors")))
    assert f"not taken, of another shape: {path} ((5, 8) there" in lines
    assert "not taken, its vocabulary is another: text_words/embed (1), text_words/score (1)." in lines
    for one in (path, *warm.other_vocabulary):
        np.testing.assert_array_equal(net.tensors()[one], before[one])


def test_a_checkpoint_of_which_nothing_fits_is_refused(trained):
    net, optimizer = made(size=Signature(WORDS, SIZE, "to-label"))
    with pytest.raises(UserError, match="None of the weights there has the name"):
        warm_start(net, optimizer, {"other/kernel": np.ones(3)})


def test_a_run_means_its_newest_checkpoint_and_a_file_may_lack_its_suffix(tmp_path):
    for step in (9, 10):
        checkpoint.save(tmp_path, step, {"step": np.array([step])}, {}, keep=0)
    for source, step in ((tmp_path, 10), (tmp_path / "model.ckpt-9", 9), (tmp_path / "model.ckpt-9.safetensors", 9)):
        path, tensors = read(source)
        assert path == checkpoint.path_of(tmp_path, step) and tensors["step"] == [step]
    for source in (tmp_path / "model.ckpt-3", tmp_path / "nowhere"):
        with pytest.raises(UserError, match="names no checkpoint and no run that has one"):
            read(source)
