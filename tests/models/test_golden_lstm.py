"""The plain LSTM beside torch's nn.LSTM: two layers deep, and in both directions, over rows of different lengths.

What batch norm makes of it is in no library: tests/layers/test_lstm.py holds it against the paper's equations.
"""

import numpy as np
import pytest
from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.bn_lstm.attentive import SequenceReader
from t2t_mm.models.bn_lstm.body import Stack
from t2t_mm.models.bn_lstm.hparams import BnLstmHparams

WIDTH = 8
HPARAMS = BnLstmHparams(hidden_size=WIDTH, batch_norm=False, bidirectional=True)
LAYERS = {  # ours: by what their names end in
    "deep": {"deep/layer_1": "l0", "deep/layer_2": "l1"},
    "both": {"both/forth": "l0", "both/back": "l0_reverse"},
}
ORDER = (2, 1, 0, 3)  # of their gates i, f, g, o to make ours: g, f, i, o


def as_ours(theirs, kind, biases=("bias_ih", "bias_hh")):
    """Weights of torch's by the paths that they have here, where one bias does for two."""

    def gates(x_G):
        return np.concatenate([np.split(x_G, 4)[place] for place in ORDER])

    result = {}
    for number, (here, there) in enumerate(LAYERS[kind].items()):
        result[f"{here}/input"] = gates(theirs[f"lstm.weight_ih_{there}"]).T
        result[f"{here}/recurrent"] = gates(theirs[f"lstm.weight_hh_{there}"]).T
        result[f"{here}/shift"] = gates(sum(theirs[f"lstm.{bias}_{there}"] for bias in biases))
        result[f"{here}/first_hidden"] = theirs["first.hidden"][number]
        result[f"{here}/first_cell"] = theirs["first.cell"][number]
    return result


@pytest.mark.parametrize("kind", list(LAYERS))
def test_outputs_and_gradients_are_torchs(kind, golden, assign_weights, gradients, agree):
    theirs = golden("lstm")
    x = Seq(ops.convert_to_tensor(theirs["x"]), ops.convert_to_tensor(theirs["real"]))
    real_BL, right = theirs["real"], theirs[kind]
    part = Stack(2, HPARAMS, name="deep") if kind == "deep" else SequenceReader(HPARAMS, name="both")
    part.build(WIDTH, ("words",))
    assign_weights(part, as_ours(right["weights"], kind))

    def read():
        return part(x, Forward()).values_BLD if kind == "deep" else part(x, Forward())[0]

    result_BLW = ops.convert_to_numpy(read())
    assert abs(right["out"][real_BL]).max() > 0.25
    np.testing.assert_allclose(result_BLW[real_BL], right["out"][real_BL], atol=1e-5)
    result = gradients(lambda: ops.sum(read() * right["weighing"]), part.trainable_variables)
    agree(result, as_ours(right["gradients"], kind, biases=("bias_ih",)))  # each bias has the gradient of the sum


def test_read_both_ways_the_end_is_the_last_word_forth_and_the_first_back(golden, assign_weights):
    theirs = golden("lstm")
    part = SequenceReader(HPARAMS, name="both")
    part.build(WIDTH, ("words",))
    assign_weights(part, as_ours(theirs["both"]["weights"], "both"))
    x = Seq(ops.convert_to_tensor(theirs["x"]), ops.convert_to_tensor(theirs["real"]))
    out_BLW, last_B = theirs["both"]["out"], theirs["real"].sum(axis=1) - 1
    right_BW = np.concatenate([out_BLW[np.arange(len(last_B)), last_B, :WIDTH], out_BLW[:, 0, WIDTH:]], axis=1)
    np.testing.assert_allclose(ops.convert_to_numpy(part(x, Forward())[1]), right_BW, atol=1e-5)
