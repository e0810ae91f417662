"""What the net does on one example, against the decoder and against a pass by hand."""

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
from t2t_mm.train.summaries.activations import BATCHES, EXTRA, ROOM, ActivationReader, Work

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
def looker(net):
    return ActivationReader(net, HPARAMS.data)


@pytest.mark.slow
def test_what_is_written_is_what_the_decoder_writes(net, looker, letters):
    ready = letters["capitals"]
    decoder = Decoder(net, {"capitals": ready.codecs}, HPARAMS.data, {"capitals": ready.target_ratio})
    example = fixed_example(ready)
    written = looker.written(ready, example)
    value = ready.codecs["inputs"].value(example.stored["inputs"])
    [decoded] = decoder.decode("capitals", [value])
    ours, theirs = ready.codecs["targets"].show(written.ids_T), decoded.text
    assert ours and theirs.startswith(ours)  # the decoder gives more room
    assert written.whole == (ours == theirs)


def test_attention_has_a_row_for_each_id_and_a_column_for_each_position_of_the_source(looker, letters):
    ready = letters["capitals"]
    example = fixed_example(ready)
    written = looker.written(ready, example)
    assert sorted(written.attention) == ["decoder/attention_1/source", "mixer/attention/source"]
    shape = len(written.ids_T), ready.codecs["inputs"].length(example.stored["inputs"])
    for weights_TS in written.attention.values():
        assert weights_TS.shape == shape
        np.testing.assert_allclose(weights_TS.sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_an_output_that_ends_at_once_is_whole_and_one_that_never_does_is_cut(letters, scrambled):
    ready, net = letters["capitals"], made(letters, scrambled)
    score = net.modalities[ready.codecs["targets"].port.key].score.rows_VD
    score.assign(np.zeros(score.shape))  # the first id of equals is the end
    example = fixed_example(ready)
    written = ActivationReader(net, HPARAMS.data).written(ready, example)
    assert written.ids_T.tolist() == [EOS] and written.whole

    rows_VD = np.zeros(score.shape)
    rows_VD[5], rows_VD[6] = 1, -1  # one of them always scores above the end
    score.assign(rows_VD)
    written = ActivationReader(net, HPARAMS.data).written(ready, example)
    length = ready.codecs["targets"].length(example.stored["targets"])
    assert len(written.ids_T) == int(ROOM * length) + EXTRA
    assert set(written.ids_T.tolist()) <= {5, 6} and not written.whole


def test_a_class_has_the_probability_that_the_decoder_gives_it(net, looker, letters):
    ready = letters["first"]
    example = fixed_example(ready)
    probability_V = looker.probabilities(ready, example)
    value = ready.codecs["inputs"].value(example.stored["inputs"])
    decoder = Decoder(net, {"first": ready.codecs}, HPARAMS.data, {"first": 1.0})
    [decoded] = decoder.decode("first", [value])
    best = int(probability_V.argmax())
    assert ready.codecs["targets"].show(np.array(best)) == decoded.text
    assert probability_V[best] == pytest.approx(decoded.answers[0].score, rel=1e-4)
    assert probability_V.sum() == pytest.approx(1)


def test_loads_are_shares_of_the_choices_of_real_positions_on_the_first_dev_batches(net, looker, letters):
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
    work = looker.work(ready)
    for shares, totals in ((work.load, counts), (work.importance, weights)):
        assert sorted(shares) == ["decoder/experts", "encoder/experts"]
        for layer, share_E in shares.items():
            total_E = totals[f"net/body/{layer}"]
            np.testing.assert_allclose(share_E, total_E / total_E.sum(), atol=1e-6)
    lengths = sum(int(dev.batch(position).arrays["targets"]["lengths"].sum()) for position in range(BATCHES))
    assert counts["net/body/decoder/experts"].sum() == lengths * 2  # each position chooses two
    assert weights["net/body/decoder/experts"].sum() == pytest.approx(lengths, rel=1e-5)  # whose weights sum to one


def test_a_class_problem_uses_no_expert_of_the_decoder(looker, letters):
    assert list(looker.work(letters["first"]).load) == ["encoder/experts"]


def test_problems_of_one_kind_share_a_graph(net, letters):
    looker = ActivationReader(net, HPARAMS.data)
    for name in ("first", "last"):
        looker.probabilities(letters[name], fixed_example(letters[name]))
    assert len(looker._compiled) == 1


def test_a_body_that_leaves_nothing_still_writes(letters, scrambled):
    hparams = HPARAMS.override("experts=0,attention=False")
    looker = ActivationReader(made(letters, scrambled, hparams), hparams.data)
    ready = letters["capitals"]
    written = looker.written(ready, fixed_example(ready))
    assert len(written.ids_T) and not written.attention
    assert looker.work(ready) == Work({}, {})


def test_looking_moves_no_weight(net, looker, letters):
    before = net.tensors()
    for ready in letters.values():
        looker.work(ready)
    after = net.tensors()
    assert all(np.array_equal(tensor, after[name]) for name, tensor in before.items())
