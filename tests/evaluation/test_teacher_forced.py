"""Teacher-forced evaluation of a problem on its dev set, by steps whose answers are known."""

import numpy as np
import pytest

from t2t_mm.data.input.batch import Batch
from t2t_mm.data.input.batches import Batches
from t2t_mm.evaluation.teacher_forced import by_example, evaluate, with_permuted_inputs
from t2t_mm.hparam_set import DataHparams

HPARAMS = DataHparams(batch_size=32, buckets=2)


class Knowing:
    """Steps of a model that knows the answer to each input: 0.5 nats per target if input and target fit, else 2."""

    def __init__(self, answers):
        self.answers, self.evaluated = answers, []

    def evaluate_batch(self, batch, metrics):
        self.evaluated.append((batch.ids, list(metrics)))
        inputs, targets = batch.arrays["inputs"], batch.arrays["targets"]["class"]
        rows = []
        for row in range(len(batch.ids)):
            word = tuple(inputs["ids"][row, : inputs["lengths"][row]])
            fits = self.answers.setdefault(word, int(targets[row])) == targets[row]
            rows.append({"neg_log_perplexity": [-0.5 if fits else -2.0, 1], "accuracy": [float(fits), 1]})
        return {name: np.array([row[name] for row in rows], np.float32) for name in metrics}


@pytest.fixture
def dev(letters):
    return Batches(letters["first"], "dev", HPARAMS, seed=0, training=False)


def test_all_dev_examples_are_evaluated_once_and_once_more_with_permuted_inputs(dev):
    steps = Knowing({})
    result = evaluate(steps, dev, -1, seed=1, permuted=True)
    assert result.problem == "first"
    assert result.examples == 23
    assert result.metrics == {"neg_log_perplexity": pytest.approx(-0.5), "accuracy": 1.0}
    for names in (["neg_log_perplexity", "accuracy"], ["neg_log_perplexity"]):
        seen = [id for ids, metrics in steps.evaluated if metrics == names for id in ids]
        assert sorted(seen) == sorted(f"dev/{index}" for index in range(23))


def test_the_result_has_both_baselines(dev):
    result = evaluate(Knowing({}), dev, -1, seed=1, permuted=True)
    assert result.standing.nats == pytest.approx(0.5)
    assert result.standing.unigram_nats == dev.ready.manifest.baseline["nats_per_token"]
    assert result.unigram_accuracy == dev.ready.manifest.baseline["accuracy"]
    assert 0.5 < result.standing.permuted_nats <= 2
    assert result.standing.learnt
    assert result.classes


def test_without_the_second_pass_there_is_no_permuted_baseline(dev):
    steps = Knowing({})
    assert evaluate(steps, dev, -1, seed=1, permuted=False).standing.permuted_nats is None
    assert len(steps.evaluated) == len(dev)


def test_eval_steps_limits_the_number_of_batches(dev):
    assert len(dev) > 2
    result = evaluate(Knowing({}), dev, 2, seed=1, permuted=False)
    assert result.examples == sum(len(dev.batch(position).ids) for position in range(2))


def test_each_example_gets_the_inputs_of_another_and_targets_stay():
    ids_BL, classes_B = np.arange(8).reshape(4, 2), np.array([5, 6, 7, -1])
    arrays = {"inputs": {"ids": ids_BL, "lengths": np.array([2, 1, 2, 0])}, "targets": {"class": classes_B}}
    batch = with_permuted_inputs(Batch("p", 3, ("a", "b", "c"), arrays), seed=1)
    inputs = batch.arrays["inputs"]
    assert sorted(inputs["ids"][:3, 0]) == [0, 2, 4]
    assert (inputs["ids"][:3, 0] != [0, 2, 4]).all()
    np.testing.assert_array_equal(inputs["lengths"][:3], np.array([2, 1, 2])[inputs["ids"][:3, 0] // 2])
    np.testing.assert_array_equal(inputs["ids"][3], [6, 7])  # the row without an example stays last
    np.testing.assert_array_equal(batch.arrays["targets"]["class"], classes_B)
    assert batch.ids == ("a", "b", "c")


def test_the_permutation_repeats_for_equal_seed_and_batch():
    arrays = {"inputs": {"ids": np.arange(40)[:, None]}, "targets": {}}
    batch = Batch("p", 3, tuple(map(str, range(40))), arrays)

    def order(seed):
        return with_permuted_inputs(batch, seed).arrays["inputs"]["ids"][:, 0].tolist()

    assert order(1) == order(1) != order(2)


def three_examples_of_1_3_and_2_right_answers():
    arrays = {"inputs": {"ids": np.array([[7], [8], [8], [8], [9], [9], [0]])}, "targets": {}}
    return Batch("p", 0, ("a", "b", "b", "b", "c", "c"), arrays)


def test_the_references_of_an_example_count_as_one_example():
    sums_BK = np.array([[1, 1], [2, 1], [3, 1], [4, 1], [5, 2], [6, 3]], float)
    assert by_example(sums_BK, three_examples_of_1_3_and_2_right_answers()).tolist() == [[1, 1], [9, 3], [11, 5]]


def test_all_references_of_an_example_get_the_inputs_of_one_other_example():
    permuted = with_permuted_inputs(three_examples_of_1_3_and_2_right_answers(), seed=1).arrays["inputs"]["ids"][:, 0]
    groups = [set(permuted[:1]), set(permuted[1:4]), set(permuted[4:6])]
    assert all(len(group) == 1 for group in groups)
    assert [group.pop() for group in groups] in ([8, 9, 7], [9, 7, 8])
    assert permuted[6] == 0


def windows(*of_each):
    """Return a batch of examples with these numbers of windows; inputs are 10 * example's number + window's number."""
    ids = [f"{example}" for example, count in enumerate(of_each) for _ in range(count)]
    inputs = [10 * example + window for example, count in enumerate(of_each) for window in range(count)]
    return Batch("p", 0, tuple(ids), {"inputs": {"ids": np.array(inputs)[:, None]}, "targets": {}})


def test_the_windows_of_an_example_get_the_windows_of_another_in_order():
    permuted = with_permuted_inputs(windows(2, 3), seed=1).arrays["inputs"]["ids"][:, 0]
    assert permuted.tolist() == [10, 11, 0, 1, 0]  # the third window begins with the other's first again


def test_an_example_alone_keeps_each_of_its_windows():
    assert with_permuted_inputs(windows(3), seed=1).arrays["inputs"]["ids"][:, 0].tolist() == [0, 1, 2]
