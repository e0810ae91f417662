"""The Transformer's body beside torch's nn.TransformerEncoder and nn.TransformerDecoder, with the same weights."""

import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.transformer.body import Transformer
from t2t_mm.models.transformer.hparams import TransformerHparams

WIDTH, LAYERS = 8, 2
SIZES = {"hidden_size": WIDTH, "encoder_layers": LAYERS, "decoder_layers": LAYERS, "filter_size": 12}
NORMS = {"encoder": ("self", "feed_forward"), "decoder": ("self", "source", "feed_forward")}


@pytest.fixture(scope="module", params=["post", "pre"])
def theirs(request, golden):
    return {"norm": request.param, **golden(f"transformer_{request.param}")}


@pytest.fixture(scope="module")
def body(theirs, assign_weights):
    model = Transformer(TransformerHparams(**SIZES, attention_heads=2, norm=theirs["norm"]))
    model.build(WIDTH)
    return assign_weights(model, as_ours(theirs["weights"]))


def as_ours(theirs):
    """Weights or gradients of torch's by the paths that they have here."""
    result = {}
    for stack, norms in NORMS.items():
        for number in range(LAYERS):
            there, here = f"{stack}.layers.{number}", f"body/{stack}/layer_{number + 1}"
            result[f"{here}/self/qkv"] = theirs[f"{there}.self_attn.in_proj_weight"].T
            result[f"{here}/self/output"] = theirs[f"{there}.self_attn.out_proj.weight"].T
            if stack == "decoder":
                qkv_D3D = theirs[f"{there}.multihead_attn.in_proj_weight"].T
                result[f"{here}/source/query"], result[f"{here}/source/key_value"] = np.split(qkv_D3D, [WIDTH], axis=1)
                result[f"{here}/source/output"] = theirs[f"{there}.multihead_attn.out_proj.weight"].T
            for ours, their in (("in", "linear1"), ("out", "linear2")):
                result[f"{here}/feed_forward/{ours}"] = theirs[f"{there}.{their}.weight"].T
                result[f"{here}/feed_forward/{ours}_shift"] = theirs[f"{there}.{their}.bias"]
            for place, norm in enumerate(norms, start=1):
                result[f"{here}/{norm}_residual/norm/scale"] = theirs[f"{there}.norm{place}.weight"]
                result[f"{here}/{norm}_residual/norm/shift"] = theirs[f"{there}.norm{place}.bias"]
        if f"{stack}.norm.weight" in theirs:
            result[f"body/{stack}/norm/scale"] = theirs[f"{stack}.norm.weight"]
            result[f"body/{stack}/norm/shift"] = theirs[f"{stack}.norm.bias"]
    return result


def run(body, theirs):
    """Return the memory and the output for torch's inputs, two Seqs."""
    source, target = (
        Seq(ops.convert_to_tensor(theirs[side]), ops.convert_to_tensor(theirs[f"real_{side}"]))
        for side in ("source", "target")
    )
    memory = body.encode(source, Forward())
    return memory, body.decode(memory, target, Forward())


def test_memory_and_output_are_torchs_where_there_is_something(body, theirs):
    for result, right, side in zip(run(body, theirs), ("memory", "out"), ("source", "target"), strict=True):
        real_BL = theirs[f"real_{side}"]
        assert abs(theirs[right][real_BL]).max() > 0.5
        result_BLD = ops.convert_to_numpy(result.values_BLD)
        np.testing.assert_allclose(result_BLD[real_BL], theirs[right][real_BL], atol=1e-5)


def test_position_by_position_the_output_is_torchs(body, theirs):
    source = Seq(ops.convert_to_tensor(theirs["source"]), ops.convert_to_tensor(theirs["real_source"]))
    target_BLD, real_BL = theirs["target"], theirs["real_target"]
    state = body.start(body.encode(source, Forward()), target_BLD.shape[1])
    for t in range(target_BLD.shape[1]):
        y_B1D, state = body.step(state, ops.convert_to_tensor(target_BLD[:, t : t + 1]))
        y_BD, right_BD = ops.convert_to_numpy(y_B1D)[:, 0], theirs["out"][:, t]
        np.testing.assert_allclose(y_BD[real_BL[:, t]], right_BD[real_BL[:, t]], atol=1e-5)


def test_gradients_are_torchs(body, theirs, gradients, agree):
    result = gradients(lambda: ops.sum(run(body, theirs)[1].values_BLD * theirs["weighing"]), body.trainable_variables)
    agree(result, as_ours(theirs["gradients"]))
