"""A synthetic text problem, and a net for it.

Rows are full, so there is no padding, and tokens go to different experts, as in a trained net.
"""

import random
from collections.abc import Sequence

import numpy as np

from t2t_mm.data.input.batch import Batch
from t2t_mm.feature import ArraySpec, Port, Signature
from t2t_mm.hparam_set import HparamSet
from t2t_mm.models.net import Net

FEATURE = {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))}
SPECS = {"inputs": FEATURE, "targets": FEATURE}


def made_net(
    hparams: HparamSet, vocabulary: int, problems: Sequence[str] = ("text",), net_type: type[Net] = Net
) -> Net:
    """Return a built net for text problems of one vocabulary."""
    random.seed(0)
    words = Port("text", "text_words", vocabulary)
    net = Net({problem: Signature(words, words, "generic") for problem in problems}, hparams)
    net.build()
    spread_gates(net)
    return net


def spread_gates(net: Net) -> None:
    """Set the gates to random values.

    Gates start at zero and would send all tokens to the same experts; in a trained net they go to different ones.
    """
    rng = np.random.default_rng(0)
    for weight in net.trainable_variables:
        if weight.name == "gate":
            weight.assign(rng.normal(0, weight.shape[0] ** -0.5, weight.shape))


def made_batch(rows: int, length: int, vocabulary: int, seed: int, problem: str = "text") -> Batch:
    """Return a batch of full rows of random ids."""
    rng = np.random.default_rng(seed)

    def text() -> dict[str, np.ndarray]:
        ids_BL = rng.integers(3, vocabulary, (rows, length), dtype="int32")
        return {"ids": ids_BL, "lengths": np.full(rows, length, "int32")}

    return Batch(problem, 0, tuple(str(row) for row in range(rows)), {"inputs": text(), "targets": text()})


def forward_flops(net: Net, hparams: HparamSet, rows: int, length: int) -> float:
    """Return the FLOPs of the matrix products of one forward pass.

    Source and target have the same length, so each weight serves rows * length positions, and weights of experts their
    share of them. Causal attention needs half of the square of scores.
    """
    named = hparams.flat()
    share = named.get("experts_per_token", 0) / max(1, named.get("experts", 0))
    scores = "embed" if named["shared_embedding_and_softmax_weights"] else "score"
    flops = 0.0
    for weight in net.trainable_variables:
        *above, layer, name = weight.path.split("/")
        if len(weight.shape) < 2 or name == "depthwise" or (name == "rows" and layer != scores):
            continue  # scales, shifts and taps are in no matrix product; embeddings are looked up
        flops += 2.0 * np.prod(weight.shape) * rows * length * (share if len(weight.shape) == 3 else 1)
        square = 4.0 * rows * length * length * weight.shape[0]
        if name in ("qkv", "key_value"):
            flops += square / 2 if name == "qkv" and "encoder" not in above else square
    return flops


def parameters(net: Net) -> int:
    """Return the number of trainable parameters."""
    return sum(int(np.prod(weight.shape)) for weight in net.trainable_variables)
