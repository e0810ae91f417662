"""Evaluation of batches without an optimizer gives what the net gives directly."""

import numpy as np
import pytest

from t2t_mm.data.input.batches import Batches
from t2t_mm.evaluation.batch_evaluator import BatchEvaluator
from t2t_mm.evaluation.teacher_forced import sums_by_example
from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.metrics.on_logits import METRICS
from t2t_mm.models.multimodel.hparams import MultiModelHparams
from t2t_mm.models.net import Net

BODY = MultiModelHparams(hidden_size=8, encoder_blocks=1, mixer_blocks=0, decoder_blocks=1, experts=0, attention=False)
HPARAMS = HparamSet("multimodel", BODY, TrainingHparams(), DataHparams(batch_size=32, buckets=4))
NAMES = ["neg_log_perplexity", "accuracy"]


@pytest.fixture(scope="module")
def net(letters, scrambled):
    net = Net({name: ready.signature for name, ready in letters.items()}, HPARAMS)
    net.build()
    return scrambled(net)


@pytest.mark.parametrize("problem", ["capitals", "first"])
def test_the_evaluator_gives_the_sums_that_the_net_gives(net, letters, problem):
    evaluator = BatchEvaluator(net, {name: ready.codecs for name, ready in letters.items()}, HPARAMS.data)
    batches = Batches(letters[problem], "dev", HPARAMS.data, seed=0, training=False)
    for position in range(len(batches)):
        batch = batches.batch(position)
        sums = evaluator.evaluate_batch(batch, NAMES)
        logits, labels, real = net.teacher_forced(problem, batch.arrays, net.command(problem))
        for name in NAMES:
            expected = np.asarray(METRICS[name].sums(logits, labels, real))[: len(batch.ids)]
            np.testing.assert_allclose(sums[name], expected, rtol=1e-4, atol=1e-4)


def test_some_examples_of_a_split_may_be_evaluated(net, letters):
    evaluator = BatchEvaluator(net, {name: ready.codecs for name, ready in letters.items()}, HPARAMS.data)
    every = Batches(letters["first"], "dev", HPARAMS.data, seed=0, training=False)
    some = Batches(letters["first"], "dev", HPARAMS.data, seed=0, training=False, only=[3, 8, 20])
    assert (some.examples, some.dropped) == (3, 0)
    ids = [id for position in range(len(some)) for id in some.batch(position).ids]
    assert sorted(ids) == ["dev/20", "dev/3", "dev/8"]
    all_sums = {
        id: row
        for batch in every.stream()
        for id, row in zip(batch.ids, evaluator.evaluate_batch(batch, NAMES)["accuracy"], strict=True)
    }
    for id, sums_K in zip(ids, sums_by_example(evaluator, some, NAMES)["accuracy"], strict=True):
        np.testing.assert_allclose(sums_K, all_sums[id])
