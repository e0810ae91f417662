"""BERT's body against Keras' own layers, and the net around it: both losses and the heads."""

import keras
import numpy as np
import pytest
from building_blocks import drawn
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.bert.body import Bert
from t2t_mm.models.bert.hparams import BertHparams
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

WIDTH, HEADS, LENGTH = 8, 2, 6
SMALL = BertHparams(
    hidden_size=WIDTH, encoder_layers=2, filter_size=12, attention_heads=HEADS, dropout=0.0, max_positions=9
)
PORT = Port("sentences", "sentences_x", 20)
SIGNATURES = {
    "hidden": Signature(PORT, PORT, "to-words"),
    "order": Signature(PORT, Port("label", "label_y", 3), "to-label"),
}


@pytest.fixture(scope="module")
def body(scrambled):
    body = Bert(SMALL)
    body.build(WIDTH)
    return scrambled(body)


@pytest.fixture(scope="module")
def net(scrambled):
    sizes = "hidden_size=8,encoder_layers=2,filter_size=12,attention_heads=2,max_positions=9"
    net = Net(SIGNATURES, HPARAM_SETS["bert_tiny"]().override(sizes))
    net.build()
    return scrambled(net)


def of_keras(kind, weights, *shapes, **options):
    layer = kind(**options)
    layer.build(*shapes)
    layer.set_weights([np.asarray(weight) for weight in weights])
    return layer


def norm_of_keras(norm):
    weights = [norm.scale_D.numpy(), norm.shift_D.numpy()]
    return of_keras(keras.layers.LayerNormalization, weights, (None, None, WIDTH), epsilon=1e-6)


def layer_of_keras(layer):
    """An encoder layer made of Keras' own, with the weights of one of ours."""
    each, shape = WIDTH // HEADS, (None, None, WIDTH)
    qkv = [one.reshape(WIDTH, HEADS, each) for one in np.split(layer.attention.qkv_D3D.numpy(), 3, axis=1)]
    attention = of_keras(
        keras.layers.MultiHeadAttention,
        [*qkv, layer.attention.output_DD.numpy().reshape(HEADS, each, WIDTH)],
        shape,
        shape,
        num_heads=HEADS,
        key_dim=each,
        use_bias=False,
    )
    net = layer.feed_forward
    first = of_keras(
        keras.layers.Dense,
        [net.in_DF.numpy(), net.in_shift_F.numpy()],
        (None, WIDTH),
        units=12,
        activation=lambda x: keras.activations.gelu(x, approximate=False),
    )
    second = of_keras(keras.layers.Dense, [net.out_FD.numpy(), net.out_shift_D.numpy()], (None, 12), units=WIDTH)
    behind, last = norm_of_keras(layer.around_attention.norm), norm_of_keras(layer.around_feed_forward.norm)

    def run(x_BLD, real_BL):
        x_BLD = behind(x_BLD + attention(x_BLD, x_BLD, attention_mask=real_BL[:, None]))
        return last(x_BLD + second(first(x_BLD)))

    return run


def test_the_body_equals_one_made_of_keras_layers(body):
    x_BLD, real_BL = drawn(3, LENGTH, WIDTH), np.arange(LENGTH) < np.array([[6], [4], [1]])
    result = ops.convert_to_numpy(body.encode(Seq(ops.convert_to_tensor(x_BLD), real_BL), Forward()).values_BLD)
    y_BLD = norm_of_keras(body.norm)(x_BLD + body.positions.rows_PD.numpy()[:LENGTH])
    for layer in body.stack:
        y_BLD = layer_of_keras(layer)(y_BLD, real_BL)
    expected = ops.convert_to_numpy(y_BLD).copy()
    expected[:, 0] = np.tanh(expected[:, 0] @ body.pooler.weight_DD.numpy() + body.pooler.shift_D.numpy())
    np.testing.assert_allclose(result[real_BL], expected[real_BL], atol=2e-5)


def batch():
    """Two examples, of 6 and 4 ids, and an empty row."""
    ids = np.array([[15, 3, 17, 16, 5, 16], [15, 17, 4, 16, 0, 0], [0] * 6], "int32")
    segments = np.array([[0, 0, 0, 0, 1, 1], [0] * 6, [0] * 6], "int32")
    places, ids_of_targets = (
        np.array([[0, 2, 4], [0, 1, 0], [0] * 3], "int32"),
        np.array([[19, 7, 5], [18, 9, 0], [0] * 3], "int32"),
    )
    return {
        "inputs": {"ids": ids, "segments": segments, "lengths": np.array([6, 4, 0], "int32")},
        "targets": {"places": places, "ids": ids_of_targets, "lengths": np.array([3, 2, 0], "int32")},
    }


def test_training_minimises_the_mean_of_each_kind_and_reports_all_nats(net):
    loss = net.loss("hidden", batch(), 0, Forward(), 0.0)
    logits, labels, real = (ops.convert_to_numpy(one) for one in net.teacher_forced("hidden", batch(), 0))
    logits = logits.astype("float64")
    nats = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(logits, labels[..., None], -1)[..., 0]
    assert real.sum() == 5 == float(loss.count)
    np.testing.assert_allclose(float(loss.nats), nats[real].sum(), rtol=1e-5)
    each = nats[:2, 0].mean() + nats[:, 1:][real[:, 1:]].mean()
    np.testing.assert_allclose(float(loss.objective), 5 * each, rtol=1e-5)


def test_teacher_forced_and_classify_give_the_same_logits(net):
    logits = ops.convert_to_numpy(net.teacher_forced("hidden", batch(), 0)[0])
    memory = net.encode("hidden", batch()["inputs"], Forward())
    np.testing.assert_allclose(logits[:, 0, 18:], ops.convert_to_numpy(net.classify("hidden", memory)), atol=1e-5)
    assert (logits[:, 0, :18] < -1e8).all() and not net.generates("hidden")


def test_segments_and_order_of_words_change_the_logits(net):
    first = ops.convert_to_numpy(net.teacher_forced("hidden", batch(), 0)[0])
    for name, change in (("segments", lambda x: 1 - x), ("ids", lambda x: x[:, [0, 1, 2, 4, 3, 5]])):
        moved = batch()
        moved["inputs"][name] = change(moved["inputs"][name])
        assert abs(ops.convert_to_numpy(net.teacher_forced("hidden", moved, 0)[0])[0, 1] - first[0, 1]).max() > 1e-3


def test_inputs_shorter_than_the_positions_of_targets_give_finite_logits(net):
    short = batch()
    short["inputs"] = {name: array[:, :3] if array.ndim == 2 else array // 2 for name, array in short["inputs"].items()}
    assert np.isfinite(ops.convert_to_numpy(net.teacher_forced("hidden", short, 0)[0])).all()


def test_a_label_is_read_from_the_pooler(net):
    memory = net.encode("order", batch()["inputs"], Forward())
    assert net.classify("order", memory).shape == (3, 3)


def test_problems_of_other_modalities_are_refused():
    text = Port("text", "text_x", 20)
    with pytest.raises(UserError, match="bert reads only sentences inputs"):
        Net({"to_german": Signature(text, text, "x")}, HPARAM_SETS["bert_tiny"]())


@pytest.mark.parametrize("changes", ["attention_heads=3", "label_head=none", "max_positions=0"])
def test_sizes_that_do_not_fit_are_refused(changes):
    with pytest.raises(UserError):
        HPARAM_SETS["bert_tiny"]().override(changes)
