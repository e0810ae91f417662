"""Modality nets around a Transformer's body."""

from collections import Counter

import keras
import numpy as np
import pytest
from building_blocks import built
from keras import ops

from t2t_mm.feature import Port, Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

HPARAMS = HPARAM_SETS["transformer_tiny"]().override(
    "hidden_size=8,encoder_layers=1,decoder_layers=2,filter_size=12,attention_heads=2,image_size=32,audio_halvings=2,"
    "audio_channels=4,dropout=0"
)
WORDS, IMAGE, AUDIO = Port("text", "text_words", 11), Port("image", "image", 0), Port("audio_spectral", "audio", 0)
SIZE = Port("label", "label_size", 3)
PROBLEMS = {
    "to_german": Signature(WORDS, WORDS, "to-german"),
    "name": Signature(IMAGE, SIZE, "to-label"),
    "size": Signature(WORDS, SIZE, "to-label"),
    "describe": Signature(IMAGE, WORDS, "to-english"),
    "write_down": Signature(AUDIO, WORDS, "to-english"),
    "write": Signature(None, WORDS, "generic"),
}
LENGTHS_B, MOST = np.array([3, 5], "int32"), 6


@pytest.fixture(scope="module")
def net(scrambled):
    return scrambled(made(PROBLEMS))


def made(problems, hparams=HPARAMS):
    return built(Net(problems, hparams))


def text(lengths_B=LENGTHS_B, most=MOST, size=11, seed=0):
    ids_BL = np.random.default_rng(seed).integers(2, size, (len(lengths_B), most), dtype="int32")
    return {"ids": ids_BL, "lengths": lengths_B}  # pads are noise


def classes(*indices):
    return {"class": np.array(indices, "int32")}


def frames(lengths):
    values_BTF = np.random.default_rng(0).normal(size=(len(lengths), 12, 80)).astype("float32")
    return {"frames": values_BTF, "lengths": np.array(lengths, "int32")}


IMAGES = {"pixels": np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("uint8")}
BATCHES = {
    "to_german": {"inputs": text(), "targets": text(seed=1)},
    "name": {"inputs": IMAGES, "targets": classes(2, 0)},
    "size": {"inputs": text(), "targets": classes(2, 0)},
    "describe": {"inputs": IMAGES, "targets": text(seed=1)},
    "write_down": {"inputs": frames([12, 7]), "targets": text(seed=1)},
    "write": {"targets": text(seed=1)},
}


def teacher_forced(net, problem, batch):
    return [ops.convert_to_numpy(part) for part in net.teacher_forced(problem, batch, np.int32(net.command(problem)))]


@pytest.mark.parametrize("problem", BATCHES)
def test_every_kind_of_input_and_target_goes_through_the_body(net, problem):
    logits_BTV, _, real_BT = teacher_forced(net, problem, BATCHES[problem])
    assert np.isfinite(logits_BTV[real_BT]).all()
    if "inputs" in BATCHES[problem]:
        moved = {name: array[::-1].copy() for name, array in BATCHES[problem]["inputs"].items()}
        other_BTV = teacher_forced(net, problem, {**BATCHES[problem], "inputs": moved})[0]
        assert abs(other_BTV - logits_BTV)[real_BT].max() > 1e-4  # another input, another answer


def test_a_class_is_read_from_the_memory(net):
    logits_BTV = teacher_forced(net, "size", BATCHES["size"])[0]
    memory = net.encode("size", BATCHES["size"]["inputs"], Forward())
    np.testing.assert_allclose(ops.convert_to_numpy(net.classify("size", memory)), logits_BTV[:, 0], atol=1e-5)


@pytest.mark.parametrize("changes", ["", "positions=learned,norm=pre,shared_embedding_and_softmax_weights=False"])
def test_weights_have_the_paths_that_checkpoints_hold(changes):
    paths = [weight.path for weight in made(PROBLEMS, HPARAMS.override(changes)).trainable_variables]
    assert Counter(paths).most_common(1)[0][1] == 1
    assert ("net/body/encoder/placed/positions/rows" in paths) == ("learned" in changes)
    assert "net/body/decoder/layer_2/source_residual/norm/scale" in paths


def test_tied_tables_are_one_weight_that_words_in_and_words_out_share(net):
    tables = [path for path in net.tensors() if path.startswith("net/text_words/")]
    assert tables == ["net/text_words/embed/rows"]
    untied = made(PROBLEMS, HPARAMS.override("shared_embedding_and_softmax_weights=False"))
    assert sum(path.startswith("net/text_words/") for path in untied.tensors()) == 2


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="differentiates with TensorFlow")
def test_a_tied_table_gets_the_gradient_of_both_its_uses(net):
    import tensorflow as tf

    untied = made(PROBLEMS, HPARAMS.override("shared_embedding_and_softmax_weights=False"))
    rows_VD = net.tensors()["net/text_words/embed/rows"]
    untied.restore({**net.tensors(), "net/text_words/score/rows": rows_VD})

    def gradients(model):
        tables = [weight for weight in model.trainable_variables if "/text_words/" in weight.path]
        with tf.GradientTape() as tape:
            loss = model.loss("to_german", BATCHES["to_german"], np.int32(0), Forward(), 0.1).objective
        result = tape.gradient(loss, [weight.value for weight in tables])
        return [tf.convert_to_tensor(gradient).numpy() for gradient in result]

    [both], [embed, score] = gradients(net), gradients(untied)
    assert min(abs(embed).max(), abs(score).max()) > 1e-2
    np.testing.assert_allclose(both, embed + score, atol=1e-4)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("tied", [True, False])
def test_the_first_loss_is_about_the_logarithm_of_the_words(norm, tied):
    words = Port("text", "text_words", 8192)
    keras.utils.set_random_seed(1)
    changes = f"norm={norm},shared_embedding_and_softmax_weights={tied}"
    fresh = made({"to_german": Signature(words, words, "x")}, HPARAM_SETS["transformer_tiny"]().override(changes))
    lengths = np.full(8, 20, "int32")
    batch = {"inputs": text(lengths, 20, 8192), "targets": text(lengths, 20, 8192, seed=1)}
    result = fresh.loss("to_german", batch, np.int32(0), Forward(), 0.1)
    assert float(result.nats) / float(result.count) == pytest.approx(np.log(8192), rel=0.1)


def test_a_net_passes_on_where_its_bodys_positions_end(net):
    assert net.longest is None
    assert Net(PROBLEMS, HPARAMS.override("positions=learned,max_positions=9")).longest == 9
    assert Net(PROBLEMS, HPARAM_SETS["multimodel_demo"]()).longest is None
