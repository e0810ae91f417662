"""A Transformer from records to answers: trained jointly, evaluated, decoded greedily and by beams."""

import keras
import numpy as np
import pytest
from small_runs import quiet_config

from t2t_mm.data.input.batch import Batch
from t2t_mm.decoding.answers import Decoded, DecodeOptions, Failure
from t2t_mm.errors import UserError
from t2t_mm.feature import ArraySpec, Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow trains", allow_module_level=True)
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps
from t2t_mm.train.trainer import Trainer

pytestmark = pytest.mark.slow

HPARAMS = HPARAM_SETS["transformer_tiny"]().override(
    "hidden_size=64,encoder_layers=1,decoder_layers=1,filter_size=128,attention_heads=4,dropout=0,batch_size=128,"
    "buckets=2,learning_rate_schedule=constant,learning_rate=0.003,learning_rate_warmup_steps=20"
)
LEARNED = "positions=learned,max_positions=9,norm=pre"


def trainer(letters, folder, problems, hparams=HPARAMS, steps=500):
    return Trainer({name: letters[name] for name in problems}, hparams, quiet_config(folder, train_steps=steps))


@pytest.fixture(scope="module", params=["", LEARNED])
def run(request, letters, tmp_path_factory):
    hparams = HPARAMS.override(request.param)
    trained = trainer(letters, tmp_path_factory.mktemp("transformer"), ["capitals", "first"], hparams)
    return trained, trained.train_and_evaluate().results


def test_text_and_classes_are_learnt_jointly(run):
    capitals, first = run[1]
    assert capitals.metrics["accuracy"] > 0.9
    assert first.metrics["accuracy"] > 0.95


@pytest.mark.parametrize("beams", [1, 3])
def test_what_it_learnt_it_writes(run, beams):
    lines = ["a b", "d c b a", "b", "c a d d b"]
    results = run[0].predict("capitals", lines, DecodeOptions(beam_size=beams))
    assert all(isinstance(result, Decoded) for result in results)
    right = [result.text == line.upper() for result, line in zip(results, lines, strict=True)]
    assert sum(right) >= 3


def test_where_positions_end_long_inputs_fail_alone_and_outputs_are_cut(run):
    trained = run[0]
    long, short = trained.predict("capitals", ["a " * 9 + "a", "a b"], DecodeOptions(extra_length=100))
    assert isinstance(short, Decoded)
    if trained.net.longest is None:
        assert isinstance(long, Decoded)
    else:
        assert long == Failure("It takes 11 positions; the model has 9. Cut it into pieces.")


def test_too_few_positions_for_the_data_are_refused_before_the_first_step(letters, tmp_path):
    hparams = HPARAMS.override("positions=learned,max_positions=6")
    with pytest.raises(UserError, match="the model has 6. Raise max_positions with --hparams"):
        trainer(letters, tmp_path, ["capitals"], hparams)


def test_a_joint_step_on_text_and_on_images_moves_what_each_uses():
    words, classes = Port("text", "text_words", 9), Port("label", "label_x", 3)
    problems = {
        "translate": Signature(words, words, "to-german"),
        "name": Signature(Port("image", "image", 0), classes, "to-label"),
    }
    ids = {"ids": np.full((2, 4), 3, "int32"), "lengths": np.array([4, 2], "int32")}
    pixels = {"pixels": np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("uint8")}
    arrays = {
        "translate": {"inputs": ids, "targets": ids},
        "name": {"inputs": pixels, "targets": {"class": np.array([0, 2], "int32")}},
    }
    specs = {
        name: {
            f: {k: ArraySpec(str(a.dtype), (None, *a.shape[1:])) for k, a in part.items()} for f, part in both.items()
        }
        for name, both in arrays.items()
    }
    keras.utils.set_random_seed(0)
    net = Net(problems, HPARAMS.override("image_size=32"))
    net.build()
    steps = Steps(net, Optimizer(net.trainable_variables, net.commands, HPARAMS.training), specs, HPARAMS.training, 0)
    moved = {}
    for name in problems:
        before = net.tensors()
        stepped = steps.train([Batch(name, 0, ("a", "b"), arrays[name])], 1, 0.01, 1.0)
        assert np.isfinite(float(stepped.nats))
        after = net.tensors()
        moved[name] = {"/".join(path.split("/")[1:3]) for path in before if (before[path] != after[path]).any()}
    assert moved["translate"] == {"body/encoder", "body/decoder", "text_words/embed", "commands/to-german"}
    assert {"body/encoder", "image/step_1", "label_x/score"} <= moved["name"]
    assert not {"body/decoder", "text_words/embed"} & moved["name"]
