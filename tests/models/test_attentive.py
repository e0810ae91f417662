"""The attentive reader: against its equations, with pads, and through the two modality nets that read a passage."""

from dataclasses import replace

import numpy as np
import pytest
from building_blocks import built, drawn
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.layers.forward import Forward, Noise, Watched
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.passage import Passage, PassageAsked
from t2t_mm.models.bn_lstm.body import BnLstm
from t2t_mm.models.bn_lstm.hparams import BnLstmHparams
from t2t_mm.registry import HPARAM_SETS

WIDTH = 4
PLAIN = BnLstmHparams(
    hidden_size=WIDTH, encoder_layers=0, decoder_layers=0, attentive=True, batch_norm=False, statistics_steps=8
)
VARIANTS = {
    "plain": PLAIN,
    "BN-LSTM": replace(PLAIN, batch_norm=True),
    "BN-everywhere": replace(PLAIN, batch_norm=True, attention_norm=True),
    "BN-e**": replace(PLAIN, batch_norm=True, attention_norm=True, input_statistics="sequence", bidirectional=True),
}


def made(hparams, scrambled):
    body = BnLstm(hparams)
    body.problems = ("questions",)
    return scrambled(built(body, WIDTH))


def seq(values_BLD, lengths):
    real_BL = np.arange(values_BLD.shape[1])[None] < np.array(lengths)[:, None]
    return Seq(ops.convert_to_tensor(values_BLD), ops.convert_to_tensor(real_BL))


def with_question(document, question):
    return replace(document, query=question)


def run(body, source, training=False, watched=None):
    forward = Forward(Noise(np.uint32(0)) if training else None, watched)
    forward.problem = "questions"
    memory = body.encode(source, forward)
    by_path = {weight.path: weight for weight in body.weights}
    for path, value in forward.moved.items():
        by_path[path].assign(value)
    return ops.convert_to_numpy(memory.values_BLD)[:, 0]


def test_without_norms_the_reader_is_its_equations(scrambled):
    body = made(PLAIN, scrambled)
    reader, forward = body.reader, Forward()
    document_BLD, question_BLD = drawn(2, 5, WIDTH), drawn(2, 3, WIDTH, seed=1)
    lengths, question_lengths = (5, 3), (2, 3)
    result_BD = run(body, with_question(seq(document_BLD, lengths), seq(question_BLD, question_lengths)))
    weight = {term: matrix.numpy() for term, matrix in reader.weights_WD.items()}
    for b in range(2):
        read = [
            ops.convert_to_numpy(lstm.forth(x[b : b + 1, :n], np.ones((1, n), bool), forward))[0]
            for lstm, x, n in (
                (reader.document, document_BLD, lengths[b]),
                (reader.question, question_BLD, question_lengths[b]),
            )
        ]
        y_LD, u_D = read[0], read[1][-1]
        m_LD = np.tanh(y_LD @ weight["document"] + u_D @ weight["question"] + reader.seen_shift_D.numpy())
        s_L = np.exp(m_LD @ reader.score_D1.numpy()[:, 0])
        r_D = (s_L / s_L.sum()) @ y_LD
        g_D = np.tanh(r_D @ weight["found"] + u_D @ weight["asked"] + reader.known_shift_D.numpy())
        np.testing.assert_allclose(result_BD[b], g_D, atol=1e-5)


@pytest.mark.parametrize("variant", list(VARIANTS))
@pytest.mark.parametrize("training", [False, True])
def test_pads_and_empty_rows_change_nothing_whatever_they_hold(variant, training, scrambled):
    result = []
    for noisy in (0.0, 50.0):
        body = made(VARIANTS[variant], scrambled)
        parts = []
        for seed, lengths, most in ((0, (5, 2, 4, 0), 7), (1, (1, 3, 3, 0), 4)):
            values_BLD, right_BLD = noisy * drawn(4, most, WIDTH, seed=9), drawn(4, most, WIDTH, seed=seed)
            for b, length in enumerate(lengths):
                values_BLD[b, :length] = right_BLD[b, :length]
            parts.append(seq(values_BLD, lengths))
        result.append([run(body, with_question(*parts), training)[:3], *(weight.numpy() for weight in body.weights)])
    for one, other in zip(*result, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(other, one, atol=1e-5)


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_after_one_batch_evaluation_repeats_the_training_pass(variant, scrambled):
    body = made(VARIANTS[variant], scrambled)
    source = with_question(seq(drawn(5, 6, WIDTH), (6, 2, 5, 6, 4)), seq(drawn(5, 3, WIDTH, seed=1), (3, 1, 2, 3, 3)))
    trained_BD = run(body, source, training=True)
    # In training what is the same in all rows is rounding noise over sqrt(epsilon), outside it is zero.
    np.testing.assert_allclose(run(body, source), trained_BD, atol=1e-3)


def test_outputs_depend_on_the_question_and_the_order_of_words_and_attention_is_reported(scrambled):
    body, watched = made(VARIANTS["BN-e**"], scrambled), Watched()
    document, question = seq(drawn(1, 5, WIDTH), (4,)), seq(drawn(1, 3, WIDTH, seed=1), (3,))
    result = run(body, with_question(document, question), watched=watched)
    turned = seq(drawn(1, 5, WIDTH)[:, [1, 0, 2, 3, 4]], (4,))
    assert abs(run(body, with_question(turned, question)) - result).max() > 1e-4
    assert abs(run(body, with_question(document, seq(drawn(1, 3, WIDTH, seed=2), (3,)))) - result).max() > 1e-4
    [weights_B1L] = watched.attention.values()
    assert weights_B1L.shape == (1, 1, 5)
    np.testing.assert_allclose(ops.convert_to_numpy(weights_B1L).sum(), 1, rtol=1e-5)
    assert ops.convert_to_numpy(weights_B1L)[0, 0, 4] == 0


def test_without_a_reader_a_question_is_refused(scrambled):
    body = made(replace(PLAIN, attentive=False), scrambled)
    with pytest.raises(UserError, match="set attentive=true"):
        run(body, with_question(seq(drawn(1, 2, WIDTH), (2,)), seq(drawn(1, 2, WIDTH), (2,))))


ARRAYS = {
    "ids": np.array([[3, 4, 5], [6, 0, 0], [0, 0, 0]], "int32"),
    "lengths": np.array([3, 1, 0], "int32"),
    "question": np.array([[7, 0], [7, 3], [0, 0]], "int32"),
    "question_lengths": np.array([1, 2, 0], "int32"),
}


@pytest.mark.parametrize("net_class", [Passage, PassageAsked])
def test_a_passage_is_read_as_one_text_or_as_two(net_class, scrambled):
    net = net_class(Port("passage", "passage_news", 8), WIDTH, HPARAM_SETS["bn_lstm_attentive"](), name="passage_news")
    net.build()
    scrambled(net)
    rows_VD = net.embed.rows_VD.numpy() * WIDTH**0.5

    def check(result, ids_BL):
        real_BL = np.array(ids_BL) > 0
        np.testing.assert_array_equal(ops.convert_to_numpy(result.real_BL), real_BL)
        right_BLD = rows_VD[np.array(ids_BL)] * real_BL[..., None]
        np.testing.assert_allclose(ops.convert_to_numpy(result.values_BLD), right_BLD, atol=1e-6)

    source = net.bottom(ARRAYS, Forward())
    if net_class is Passage:
        check(source, [[7, 3, 4, 5, 0], [7, 3, 6, 0, 0], [0] * 5])
        assert source.query is None
    else:
        check(source, ARRAYS["ids"])
        check(source.query, ARRAYS["question"])
