"""BERT from ids to both losses beside transformers' BertForPreTraining, with the same weights."""

import numpy as np
import pytest
from keras import ops

from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

WORDS, LAYERS = 20, 2
SIZES = f"hidden_size=8,encoder_layers={LAYERS},filter_size=12,attention_heads=2,max_positions=9"
PORT = Port("sentences", "words", WORDS)
YES, NO = WORDS - 1, WORDS - 2  # the ids that say whether the second sentence is the next; there 0 and 1


@pytest.fixture(scope="module")
def theirs(golden):
    return golden("bert")


@pytest.fixture(scope="module")
def net(theirs, assign_weights):
    net = Net({"hidden": Signature(PORT, PORT, "hidden")}, HPARAM_SETS["bert_tiny"]().override(SIZES))
    net.build()
    return assign_weights(net, as_ours(theirs["weights"]))


def as_ours(theirs):
    """Weights or gradients of transformers' by the paths that they have here."""

    def norm(here, there):
        return {f"{here}/scale": theirs[f"{there}.weight"], f"{here}/shift": theirs[f"{there}.bias"]}

    def linear(matrix, shift, there):
        return {matrix: theirs[f"{there}.weight"].T, shift: theirs[f"{there}.bias"]}

    heads, embeddings, words = "net/words", "bert.embeddings", "cls.predictions"
    next_2E = np.column_stack([theirs["cls.seq_relationship.weight"], theirs["cls.seq_relationship.bias"]])
    result = {
        f"{heads}/embed/rows": theirs[f"{embeddings}.word_embeddings.weight"],
        f"{heads}/segments/rows": theirs[f"{embeddings}.token_type_embeddings.weight"],
        f"{heads}/bias/rows": theirs[f"{words}.bias"],
        f"{heads}/next/rows": next_2E[::-1],
        "net/body/positions/rows": theirs[f"{embeddings}.position_embeddings.weight"],
        **norm("net/body/norm", f"{embeddings}.LayerNorm"),
        **linear(f"{heads}/head/weight", f"{heads}/head/shift", f"{words}.transform.dense"),
        **norm(f"{heads}/head/norm", f"{words}.transform.LayerNorm"),
        **linear("net/body/pooler/weight", "net/body/pooler/shift", "bert.pooler.dense"),
    }
    for number in range(LAYERS):
        here, there = f"net/body/layer_{number + 1}", f"bert.encoder.layer.{number}"
        qkv = [theirs[f"{there}.attention.self.{part}.weight"].T for part in ("query", "key", "value")]
        result |= {
            f"{here}/attention/qkv": np.concatenate(qkv, axis=1),
            f"{here}/attention/output": theirs[f"{there}.attention.output.dense.weight"].T,
            **norm(f"{here}/attention_residual/norm", f"{there}.attention.output.LayerNorm"),
            **linear(f"{here}/feed_forward/in", f"{here}/feed_forward/in_shift", f"{there}.intermediate.dense"),
            **linear(f"{here}/feed_forward/out", f"{here}/feed_forward/out_shift", f"{there}.output.dense"),
            **norm(f"{here}/feed_forward_residual/norm", f"{there}.output.LayerNorm"),
        }
    return result


@pytest.fixture(scope="module")
def batch(theirs):
    """Theirs say of every place what was hidden, -100 for nothing; ours list the places."""
    hidden = [np.flatnonzero(labels_L >= 0) for labels_L in theirs["labels"]]
    most = 1 + max(map(len, hidden))
    places_BT, ids_BT = np.zeros((2, len(hidden), most), "int32")
    for row, places in enumerate(hidden):
        places_BT[row, 1 : len(places) + 1] = places
        ids_BT[row, 1 : len(places) + 1] = theirs["labels"][row, places]
    ids_BT[:, 0] = np.where(theirs["follows"] == 0, YES, NO)
    lengths_B = np.array([len(places) + 1 for places in hidden], "int32")
    inputs = {"ids": "input_ids", "segments": "token_type_ids", "lengths": "lengths"}
    return {
        "inputs": {name: theirs[there].astype("int32") for name, there in inputs.items()},
        "targets": {"places": places_BT, "ids": ids_BT, "lengths": lengths_B},
    }


def test_the_memory_is_theirs_and_its_first_position_the_pooled(net, theirs, batch):
    memory = net.encode("hidden", batch["inputs"], Forward())
    result_BLD, real_BL = ops.convert_to_numpy(memory.values_BLD), theirs["attention_mask"] == 1
    np.testing.assert_allclose(result_BLD[:, 0], theirs["pooled"], atol=1e-5)
    real_BL[:, 0] = False
    np.testing.assert_allclose(result_BLD[real_BL], theirs["hidden"][real_BL], atol=1e-5)


def test_words_and_next_sentences_are_scored_as_theirs(net, theirs, batch):
    logits_BTV, _, real_BT = (ops.convert_to_numpy(x) for x in net.teacher_forced("hidden", batch, 0))
    np.testing.assert_allclose(logits_BTV[:, 0, [YES, NO]], theirs["next_logits"], atol=1e-5)
    right_BTV = np.take_along_axis(theirs["word_logits"], batch["targets"]["places"][..., None], axis=1)
    np.testing.assert_allclose(logits_BTV[:, 1:][real_BT[:, 1:]], right_BTV[:, 1:][real_BT[:, 1:]], atol=2e-5)


def test_the_objective_and_its_gradients_are_theirs(net, theirs, batch, gradients, agree):
    def objective():
        loss = net.loss("hidden", batch, 0, Forward(), 0.0)
        return loss.objective / loss.count

    assert float(objective()) == pytest.approx(float(theirs["loss"]), rel=1e-5)
    agree(gradients(objective, net.trainable_variables), as_ours(theirs["gradients"]))
