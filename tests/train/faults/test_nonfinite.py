"""The first non-finite tensor of a step, found by computing the step again."""

import json
from dataclasses import replace

import numpy as np
import pytest

from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.feature import ArraySpec, Port, Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.run_tools.replay import Fault
from t2t_mm.train.faults.nonfinite import first_nonfinite, write_fault
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.step_record import NotFinite, StepRecord
from t2t_mm.train.step.steps import StepResult, Steps

WORDS, SIZE = Port("text", "text_words", 9), Port("label", "label_size", 3)
TEXT = {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))}
SPECS = {"size": {"inputs": TEXT, "targets": {"class": ArraySpec("int32", (None,))}}}
HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=0,attention=False,dropout=0"
)
RUN = {"seed": 3, "train_steps": 40, "hparams": {"dropout": 0.1}}
FIRST = "The first tensor that is not finite is"
TEXTS = {"ids": np.array([[3, 4, 5], [6, 0, 0]], "int32"), "lengths": np.array([3, 1], "int32")}
BATCH = Batch("size", 7, ("train/3", "train/8"), {"inputs": TEXTS, "targets": {"class": np.array([0, 2], "int32")}})


@pytest.fixture
def steps():
    net = Net({"size": Signature(WORDS, SIZE, "to-label")}, HPARAMS)
    net.build()
    return Steps(net, Optimizer(net.trainable_variables, net.commands, HPARAMS.training), SPECS, HPARAMS.training, 0)


def taken(*batches):
    return StepRecord(12, batches, StepResult(np.float32("nan"), np.float32("inf"), {}))


def fill(steps, part, value):
    """Fill every weight of a part that has two axes or more with the value; return the path of one."""
    weights = [weight for weight in steps.net.trainable_variables if part in weight.path and len(weight.shape) > 1]
    for weight in weights:
        weight.assign(np.full(weight.shape, value))
    return weights[0].path


def test_a_non_finite_number_of_the_batch_is_named_first(steps):
    broken = replace(BATCH, arrays=BATCH.arrays | {"inputs": {"frames": np.array([1.0, np.nan], "float32")}})
    assert first_nonfinite(steps, taken(BATCH, broken), 1.0) == f"{FIRST} the batch's inputs/frames."


def test_a_non_finite_weight_is_named_second(steps):
    path = fill(steps, "label_size/score", np.inf)
    assert first_nonfinite(steps, taken(BATCH), 1.0) == f"{FIRST} the weight {path}."


def test_a_non_finite_output_of_a_layer_is_named_third_in_the_order_of_calls(steps):
    fill(steps, "label_size/line", 3e38)
    assert first_nonfinite(steps, taken(BATCH), 1.0).startswith(f"{FIRST} the output of net/label_size/line/")


def test_a_non_finite_loss_is_named_fourth(steps):
    fill(steps, "label_size/score", 3e38)
    assert first_nonfinite(steps, taken(BATCH), 1.0) == f"{FIRST} the loss."


def test_non_finite_gradients_are_named_last(steps):
    sentence = first_nonfinite(steps, taken(BATCH), np.inf)
    assert sentence.startswith(f"{FIRST} the gradient of net/") and "more" in sentence


def test_a_fault_that_does_not_occur_again_is_reported(steps):
    assert first_nonfinite(steps, taken(BATCH), 1.0) == "Computed again, operation by operation, everything is finite."
    assert "the step fails: KeyError" in first_nonfinite(steps, taken(replace(BATCH, problem="other")), 1.0)


def test_a_fault_is_written_with_everything_that_is_known(tmp_path):
    path = write_fault(tmp_path, NotFinite(taken(BATCH, replace(BATCH, position=8))), "the loss", "skip", RUN)
    assert path == tmp_path / "faults" / "step-12.json"
    content = json.loads(path.read_text())
    assert (content["step"], content["problem"], content["nats"], content["gradient_norm"]) == (
        12,
        "size",
        "nan",
        "inf",
    )
    assert [batch["position"] for batch in content["batches"]] == [7, 8]
    assert content["batches"][0]["examples"] == ["train/3", "train/8"]
    assert content["batches"][0]["shapes"]["inputs/ids"] == [2, 3]
    read = Fault.read(path)
    assert (read.step, read.problem, read.positions, read.train_steps) == (12, "size", (7, 8), 40)
    assert read.examples == (("train/3", "train/8"),) * 2 and read.hparams == {"dropout": 0.1}


def test_a_file_that_is_not_a_fault_is_refused(tmp_path):
    with pytest.raises(
        UserError, match="step-1.json can't be read: No such file or directory. Faults are in <output_dir>"
    ):
        Fault.read(tmp_path / "step-1.json")
    (tmp_path / "step-1.json").write_text('{"step": 1, "batches": []}')
    with pytest.raises(UserError, match="step-1.json is not a fault that this version of t2t_mm wrote"):
        Fault.read(tmp_path / "step-1.json")


def test_a_fault_names_problem_step_the_shapes_of_the_batch_and_the_first_examples():
    many = replace(BATCH, ids=tuple(f"train/{i}" for i in range(8)))
    assert str(NotFinite(taken(many))) == (
        "The loss of size is nan and its gradient's norm inf at step 12, in a batch of inputs/ids 2x3, "
        "inputs/lengths 2, targets/class 2, on examples train/0, train/1, train/2, train/3, train/4 and 3 more."
    )
