"""Conformer blocks beside transformers' ParakeetEncoderBlock, and CTC beside torch's nn.CTCLoss.

Batch norms of theirs count pads in training, and of an even number of taps theirs know nothing: so those are odd, and
rows that train have no pads.
"""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.ctc import END, ctc_nats
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.conformer.encoder import Encoder
from t2t_mm.models.conformer.hparams import ConformerHparams

WIDTH, LAYERS = 8, 2
HPARAMS = ConformerHparams(
    hidden_size=WIDTH, encoder_layers=LAYERS, filter_size=12, attention_heads=2, kernel_size=5, dropout=0.0
)
NORMS = {
    "feed_forward_1_norm": "norm_feed_forward1",
    "attention_norm": "norm_self_att",
    "convolution_norm": "norm_conv",
    "feed_forward_2_norm": "norm_feed_forward2",
    "norm": "norm_out",
    "convolution/batch_norm": "conv.norm",
}
MATRICES = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "distance": "relative_k_proj", "output": "o_proj"}


@pytest.fixture(scope="module")
def theirs(golden):
    return golden("conformer")


@pytest.fixture(scope="module")
def encoder(theirs, assign_weights):
    encoder = Encoder(HPARAMS, name="encoder")
    encoder.build(WIDTH, ("speech",))
    kept = {}
    for number in range(LAYERS):
        here, there = f"encoder/block_{number + 1}/convolution/batch_norm/speech", f"{number}.conv.norm"
        kept |= {
            f"{here}/mean": theirs["running"][f"{there}.running_mean"],
            f"{here}/variance": theirs["running"][f"{there}.running_var"],
            f"{here}/batches": np.float32(1),
        }
    return assign_weights(encoder, as_ours(theirs["weights"]) | kept)


def as_ours(theirs):
    """Weights or gradients of transformers' by the paths that they have here."""
    result = {}
    for number in range(LAYERS):
        here, there = f"encoder/block_{number + 1}", str(number)
        for name, their in NORMS.items():
            result[f"{here}/{name}/scale"] = theirs[f"{there}.{their}.weight"]
            result[f"{here}/{name}/shift"] = theirs[f"{there}.{their}.bias"]
        for name, their in MATRICES.items():
            result[f"{here}/attention/{name}"] = theirs[f"{there}.self_attn.{their}.weight"].T
        result[f"{here}/attention/content_bias"] = theirs[f"{there}.self_attn.bias_u"]
        result[f"{here}/attention/distance_bias"] = theirs[f"{there}.self_attn.bias_v"]
        for half in (1, 2):
            for name, their in (("in", "linear1"), ("out", "linear2")):
                result[f"{here}/feed_forward_{half}/{name}"] = theirs[f"{there}.feed_forward{half}.{their}.weight"].T
                result[f"{here}/feed_forward_{half}/{name}_shift"] = theirs[f"{there}.feed_forward{half}.{their}.bias"]
        for name, their in (("in", "pointwise_conv1"), ("out", "pointwise_conv2")):
            result[f"{here}/convolution/{name}"] = theirs[f"{there}.conv.{their}.weight"][..., 0].T
            result[f"{here}/convolution/{name}_shift"] = theirs[f"{there}.conv.{their}.bias"]
        result[f"{here}/convolution/depthwise"] = theirs[f"{there}.conv.depthwise_conv.weight"][:, 0].T
    return result


def run(encoder, x_BLD, real_BL, training):
    forward = Forward(Noise(np.uint32(0)) if training else None)
    forward.problem = "speech"
    return encoder(Seq(ops.convert_to_tensor(x_BLD), ops.convert_to_tensor(real_BL)), forward).values_BLD


def test_by_running_statistics_blocks_say_of_padded_rows_what_theirs_say(encoder, theirs):
    real_BL = theirs["real"]
    result_BLD = ops.convert_to_numpy(run(encoder, theirs["x"], real_BL, training=False))
    np.testing.assert_allclose(result_BLD[real_BL], theirs["served"][real_BL], atol=1e-5)


def test_in_training_outputs_and_gradients_are_theirs(encoder, theirs, gradients, agree):
    def trained():
        return run(encoder, theirs["x"], np.ones_like(theirs["real"]), training=True)

    np.testing.assert_allclose(ops.convert_to_numpy(trained()), theirs["trained"], atol=1e-5)
    result = gradients(lambda: ops.sum(trained() * theirs["weighing"]), encoder.trainable_variables)
    agree(result, as_ours(theirs["gradients"]))


def test_lines_cost_by_ctc_what_torch_says_and_move_the_logits_alike(golden, gradients):
    theirs = golden("ctc")
    labels_BL, lengths_B = theirs["labels"], theirs["lengths"]
    ids_BL = np.zeros((len(labels_BL), labels_BL.shape[1] + 1), "int32")  # ours have END behind
    ids_BL[:, :-1] = labels_BL
    ids_BL[np.arange(len(ids_BL)), lengths_B] = END
    real_BF = np.arange(theirs["logits"].shape[1]) < theirs["moments"][:, None]
    logits_BFV = keras.Variable(theirs["logits"], name="logits")

    def nats():
        return ctc_nats(logits_BFV.value, real_BF, ids_BL, (lengths_B + 1).astype("int32"))

    nats_B, possible_B = (ops.convert_to_numpy(x) for x in nats())
    assert possible_B.tolist() == [True, True, True, True, False, True]
    np.testing.assert_allclose(nats_B, theirs["nats"], rtol=1e-5)
    result = gradients(lambda: ops.sum(nats()[0] * theirs["weighing"]), [logits_BFV])
    assert (abs(theirs["gradient"]).max(axis=(1, 2)) > 0.05).tolist() == possible_B.tolist()
    np.testing.assert_allclose(result[logits_BFV.path], theirs["gradient"], atol=1e-5)
