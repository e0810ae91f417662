"""Activations of a net on one example, compared with the decoder and with a forward pass by hand."""

import numpy as np
import pytest
from building_blocks import built
from keras import ops

from t2t_mm.data.input.batches import Batches
from t2t_mm.data.vocabulary import EOS
from t2t_mm.decoding.decoder import Decoder
from t2t_mm.evaluation.fixed_example import fixed_example
from t2t_mm.layers.forward import Forward, Watched
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.summaries.activations import BATCHES, EXTRA, LENGTH_FACTOR, ActivationReader, ExpertShares

HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=6,attention_heads=2,"
    "batch_size=64,buckets=2"
)


def made(letters, scrambled, hparams=HPARAMS):
    return scrambled(built(Net({name: ready.signature for name, ready in letters.items()}, hparams)))


@pytest.fixture(scope="module")
def net(letters, scrambled):
    return made(letters, scrambled)


@pytest.fixture(scope="module")
def reader(net):
    return ActivationReader(net, HPARAMS.data)


@pytest.mark.slow
def test_the_greedy_output_is_that_of_the_decoder(net, reader, letters):
    ready = letters["capitals"]
    decoder = Decoder(net, {"capitals": ready.codecs}, HPARAMS.data, {"capitals": ready.target_ratio})
    example = fixed_example(ready)
    output = reader.greedy_output(ready, example)
    value = ready.codecs["inputs"].value(example.stored["inputs"])
    [decoded] = decoder.decode("capitals", [value])
    ours, theirs = ready.codecs["targets"].show(output.ids_T), decoded.text
    assert ours and theirs.startswith(ours)  # the decoder allows longer outputs
    assert output.complete == (ours == theirs)


def test_attention_has_a_row_for_each_id_and_a_column_for_each_position_of_the_source(reader, letters):
    ready = letters["capitals"]
    example = fixed_example(ready)
    output = reader.greedy_output(ready, example)
    assert sorted(output.attention) == ["decoder/attention_1/source", "mixer/attention/source"]
    shape = len(output.ids_T), ready.codecs["inputs"].length(example.stored["inputs"])
    for weights_TS in output.attention.values():
        assert weights_TS.shape == shape
        np.testing.assert_allclose(weights_TS.sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_an_output_that_ends_at_once_is_complete_and_one_that_never_ends_is_cut(letters, scrambled):
    ready, net = letters["capitals"], made(letters, scrambled)
    score = net.modalities[ready.codecs["targets"].port.key].score.rows_VD
    score.assign(np.zeros(score.shape))  # the first id of equals is the end
    example = fixed_example(ready)
    output = ActivationReader(net, HPARAMS.data).greedy_output(ready, example)
    assert output.ids_T.tolist() == [EOS] and output.complete

    rows_VD = np.zeros(score.shape)
    rows_VD[5], rows_VD[6] = 1, -1  # one of them always scores above the end
    score.assign(rows_VD)
    output = ActivationReader(net, HPARAMS.data).greedy_output(ready, example)
    length = ready.codecs["targets"].length(example.stored["targets"])
    assert len(output.ids_T) == int(LENGTH_FACTOR * length) + EXTRA
    assert set(output.ids_T.tolist()) <= {5, 6} and not output.complete


def test_a_class_has_the_probability_that_the_decoder_gives_it(net, reader, letters):
    ready = letters["first"]
    example = fixed_example(ready)
    probability_V = reader.probabilities(ready, example)
    value = ready.codecs["inputs"].value(example.stored["inputs"])
    decoder = Decoder(net, {"first": ready.codecs}, HPARAMS.data, {"first": 1.0})
    [decoded] = decoder.decode("first", [value])
    best = int(probability_V.argmax())
    assert ready.codecs["targets"].show(np.array(best)) == decoded.text
    assert probability_V[best] == pytest.approx(decoded.answers[0].score, rel=1e-4)
    assert probability_V.sum() == pytest.approx(1)


def test_loads_are_shares_of_the_choices_of_real_positions_on_the_first_dev_batches(net, reader, letters):
    ready = letters["capitals"]
    dev = Batches(ready, "dev", HPARAMS.data, seed=0, training=False)
    assert len(dev) > BATCHES
    counts, weights = {}, {}
    for position in range(BATCHES):
        watched = Watched()
        net.predict("capitals", dev.batch(position).arrays, np.int32(net.command("capitals")), Forward(None, watched))
        for path, count_E in watched.load.items():
            counts[path] = counts.get(path, 0) + ops.convert_to_numpy(count_E)
            weights[path] = weights.get(path, 0) + ops.convert_to_numpy(watched.importance[path])
    result = reader.expert_shares(ready)
    for shares, totals in ((result.load, counts), (result.importance, weights)):
        assert sorted(shares) == ["decoder/experts", "encoder/experts"]
        for layer, share_E in shares.items():
            total_E = totals[f"net/body/{layer}"]
            np.testing.assert_allclose(share_E, total_E / total_E.sum(), atol=1e-6)
    lengths = sum(int(dev.batch(position).arrays["targets"]["lengths"].sum()) for position in range(BATCHES))
    assert counts["net/body/decoder/experts"].sum() == lengths * 2  # each position chooses two
    assert weights["net/body/decoder/experts"].sum() == pytest.approx(lengths, rel=1e-5)  # whose weights sum to one


def test_a_class_problem_uses_no_expert_of_the_decoder(reader, letters):
    assert list(reader.expert_shares(letters["first"]).load) == ["encoder/experts"]


def test_problems_of_one_kind_share_a_graph(net, letters):
    reader = ActivationReader(net, HPARAMS.data)
    for name in ("first", "last"):
        reader.probabilities(letters[name], fixed_example(letters[name]))
    assert len(reader._compiled) == 1


def test_a_body_without_attention_and_experts_still_has_an_output(letters, scrambled):
    hparams = HPARAMS.override("experts=0,attention=False")
    reader = ActivationReader(made(letters, scrambled, hparams), hparams.data)
    ready = letters["capitals"]
    output = reader.greedy_output(ready, fixed_example(ready))
    assert len(output.ids_T) and not output.attention
    assert reader.expert_shares(ready) == ExpertShares({}, {})


def test_reading_activations_moves_no_weight(net, reader, letters):
    before = net.tensors()
    for ready in letters.values():
        reader.expert_shares(ready)
    after = net.tensors()
    assert all(np.array_equal(tensor, after[name]) for name, tensor in before.items())
