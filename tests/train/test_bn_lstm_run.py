"""BN-LSTM from records to answers: its statistics move with training, problem by problem, and a resumed run repeats."""

from pathlib import Path

import keras
import numpy as np
import pytest
from small_runs import quiet_config

from t2t_mm.decoding.answers import Decoded, DecodeOptions
from t2t_mm.registry import HPARAM_SETS

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow trains", allow_module_level=True)
from t2t_mm.train import checkpoint
from t2t_mm.train.trainer import Trainer

pytestmark = pytest.mark.slow

HPARAMS = HPARAM_SETS["bn_lstm_tiny"]().override(
    "hidden_size=32,statistics_steps=8,batch_size=128,buckets=2,learning_rate=0.01"
)
KEPT = ("mean", "variance", "weight")


def trainer(letters, folder, problems=("capitals", "first"), steps=40):
    return Trainer({name: letters[name] for name in problems}, HPARAMS, quiet_config(folder, train_steps=steps))


@pytest.fixture(scope="module")
def trained(letters, tmp_path_factory):
    run = trainer(letters, tmp_path_factory.mktemp("whole"))
    run.train()
    return run


def tensors(run):
    return run.net.tensors() | run.optimizer.tensors()


def is_statistic(path):
    return path.rpartition("/")[2] in KEPT and "_norm/" in path


def test_a_resumed_run_repeats_the_one_that_was_not_stopped_to_the_last_bit(trained, letters, tmp_path):
    trainer(letters, tmp_path).train(until=17)
    resumed = trainer(letters, tmp_path)
    assert resumed.step == 17
    resumed.train()
    right, found = tensors(trained), tensors(resumed)
    assert right.keys() == found.keys() and any(map(is_statistic, right))
    for path in right:
        np.testing.assert_array_equal(found[path], right[path], err_msg=path)


def test_statistics_move_side_by_side_as_one_batch_after_the_other_would(letters, tmp_path):
    runs = {}
    for at_once in (1, 2):
        hparams = HPARAMS.override(f"accumulate_batches=2,batches_at_once={at_once}")
        one = {"first": letters["first"]}
        runs[at_once] = Trainer(one, hparams, quiet_config(tmp_path / str(at_once), train_steps=3))
        runs[at_once].train()
    right, found = tensors(runs[1]), tensors(runs[2])
    statistics = [path for path in right if is_statistic(path)]
    assert any(right[path].any() for path in statistics)
    for path in statistics:
        np.testing.assert_allclose(found[path], right[path], rtol=1e-3, atol=1e-5, err_msg=path)


def test_a_checkpoint_holds_the_statistics_of_each_problem(trained):
    saved, _ = checkpoint.load(checkpoint.latest(trained.output_dir))
    kept = [path for path in saved if is_statistic(path)]
    assert {path.split("/")[-2] for path in kept} == {"capitals", "first"}
    reached = {path: saved[path] for path in kept if path.endswith("weight")}
    for path, weight_T in reached.items():  # a class is read from the encoder: the decoder met "capitals" alone
        assert weight_T[:4].all() == (not ("/decoder/" in path and "/first/" in path)), path


def test_a_step_on_one_problem_leaves_the_statistics_of_the_other_alone(trained):
    before = tensors(trained)
    batch = trained.batches["first"].batch(0)
    trained.steps.train([batch], 1, 0.0, 1.0)
    after = tensors(trained)
    moved = {path for path in before if is_statistic(path) and (before[path] != after[path]).any()}
    assert moved and all("/encoder/" in path and "/first/" in path for path in moved)
    trained.net.restore(before)
    trained.optimizer.restore(before)


def test_evaluation_moves_nothing(trained):
    before = tensors(trained)
    results = trained.evaluate()
    assert all(np.isfinite(result.metrics["neg_log_perplexity"]) for result in results)
    for path, tensor in tensors(trained).items():
        np.testing.assert_array_equal(tensor, before[path])


@pytest.mark.parametrize("beams", [1, 3])
def test_it_writes_greedily_and_by_beams(trained, beams):
    results = trained.predict("capitals", ["a b", "d c b a"], DecodeOptions(beam_size=beams))
    assert all(isinstance(result, Decoded) for result in results)
    found = trained.predict("first", ["a b", "d c b a"])
    assert all(isinstance(result, Decoded) for result in found)


@pytest.mark.slow
def test_what_holds_on_tensorflow_holds_on_jax():
    """XLA compiles: layers and body in a process of their own."""
    from test_backends import held_on_jax

    tests = Path(__file__).parents[1]
    files = ["layers/test_recurrence.py", "layers/test_step_norm.py", "layers/test_lstm.py", "models/test_bn_lstm.py"]
    held_on_jax(*(tests / file for file in files))
