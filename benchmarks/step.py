"""Measure how much of the machine a training step uses: its FLOP/s, and each part compared with its floor.

    python benchmarks/step.py --hparams_set=multimodel_tiny --rows=16

It uses a synthetic text problem with full rows. Useful FLOPs are those of the matrix products in the model's equations,
three times the forward ones, for an expert those of the tokens that it is meant for and not of its capacity. Each part
is also taken out of the net and timed alone, forward and backward, and compared with its floor:

    ConvBlock       the same without its depthwise convolutions
    mixing          the two ConvSteps before attention; likewise
    attention       to the target and to the source; only the products of projections, scores and contexts
    experts         only the batched products, for an equal share of the tokens each
    output layer    only the three products with the table of symbols
    update          the optimizer, for a gradient of every weight (its floor is the memory bandwidth)

Complete step, parts and plain products take turns, so that a busy moment affects all of them; medians are printed.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import tensorflow as tf
from clock import Call, gemm_rate, in_turns, seconds
from keras import ops
from made_text import SPECS, forward_flops, made_batch, made_net, parameters

from t2t_mm.layers.cross_entropy import cross_entropy
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.multimodel.body import MultiModel
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps

RATE = 1e-4


@dataclass(frozen=True)
class StepPart:
    """A kind of part of a step: its count in a step, its call alone and its floor, forward and backward."""

    name: str
    count: int
    alone: Call
    floor: Call
    flops: float  # useful FLOPs of one, forward and backward; 0 for a part without products


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hparams_set", default="multimodel_tiny")
    parser.add_argument("--hparams", default="")
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=32, help="ids in a source and in a target")
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args()
    hparams = HPARAM_SETS[options.hparams_set]().override(options.hparams)
    rows, length = options.rows, options.length

    net = made_net(hparams, options.vocabulary)
    optimizer = Optimizer(net.trainable_variables, net.commands, hparams.training)
    steps = Steps(net, optimizer, {"text": SPECS}, hparams.training, seed=0)
    batches = [made_batch(rows, length, options.vocabulary, seed) for seed in range(4)]
    counter = iter(range(10**9))

    def step() -> None:
        index = next(counter)
        float(steps.train([batches[index % 4]], index, RATE, 1.0).nats)

    parts = parts_of(net, optimizer, rows, length)
    calls: dict[Any, Call] = {"step": step}
    calls |= {(part.name, side): getattr(part, side) for part in parts for side in ("alone", "floor")}
    first = seconds(step)
    for call in calls.values():
        call()
    before = gemm_rate()
    times = {name: median(taken) for name, taken in in_turns(calls, options.turns).items()}
    gemm = (before + gemm_rate()) / 2

    useful = 3 * forward_flops(net, hparams, rows, length)
    taken = times["step"]
    print(f"{options.hparams_set} {options.hparams}: {parameters(net):,} parameters; {rows} x {length} target tokens")
    print(
        f"a step {taken * 1e3:.1f} ms (first call {first:.1f} s), {rows * length / taken:,.0f} target tokens/s, "
        f"{useful / 1e9:.1f} useful GFLOP: {useful / taken / 1e9:.0f} GFLOP/s, "
        f"{useful / taken / 1e9 / gemm:.2f} of a plain product's {gemm:.0f}"
    )
    print(f"\n{'':16}{'count':>6}{'one':>12}{'its floor':>12}{'over floor':>12}{'GFLOP/s':>10}{'share of step':>15}")
    for part in parts:
        one, floor = times[part.name, "alone"], times[part.name, "floor"]
        rate = f"{part.flops / one / 1e9:10.0f}" if part.flops else f"{'':10}"
        print(
            f"{part.name:16}{part.count:6}{one * 1e3:9.2f} ms{floor * 1e3:9.2f} ms{one / floor:12.2f}{rate}"
            f"{part.count * one / taken:15.2f}"
        )
    floors = sum(part.count * times[part.name, "floor"] for part in parts)
    print(f"{'sum of floors':16}{'':6}{'':12}{floors * 1e3:9.2f} ms; the step takes {taken / floors:.2f} times as long")
    update = next(times[part.name, "alone"] for part in parts if part.name == "update")
    print(f"update: {update / parameters(net) * 1e9:.2f} ns a parameter")


def parts_of(net: Net, optimizer: Optimizer, rows: int, length: int) -> list[StepPart]:
    """Return the parts of a step of a text problem, taken from `net`."""
    body = net.body
    if not isinstance(body, MultiModel):
        raise SystemExit(f"This measures the parts of a MultiModel; the hparam set is of {type(body).__name__}.")
    width, tokens = net.width, rows * length
    x_BLD = tf.constant(np.random.default_rng(0).normal(size=(rows, length, width)), "float32")
    real_BL = tf.ones((rows, length), "bool")
    source = Seq(x_BLD, real_BL)
    encoder, mixer, decoder = body.encoder, body.mixer, body.decoder
    causal = [*mixer.blocks, *decoder.blocks]
    attentions = [block for block in (mixer.attention, *decoder.attentions) if block is not None]
    seen, unseen = encoder.blocks[0], causal[0]
    parts = [
        conv_part("ConvBlock", seen.steps, lambda: seen(x_BLD, real_BL, noisy()), x_BLD, len(encoder.blocks)),
        conv_part("causal ConvBlock", unseen.steps, lambda: unseen(x_BLD, None, noisy()), x_BLD, len(causal)),
    ]
    if attentions:
        one = attentions[0]
        if one.mixing == "steps":
            parts.append(conv_part("mixing", one.mix, lambda: chained(one.mix, x_BLD), x_BLD, count=len(attentions)))
        projections = [weight.value for layer in (one.to_self, one.to_source) for weight in layer.trainable_variables]
        heads = one.to_self.heads
        scores = tf.zeros((rows, heads, length, width // heads))

        def attend() -> Any:
            output_BLD = one.to_self(x_BLD, noisy())
            return one.to_source(output_BLD, one.to_source.memory(source), noisy())

        def products() -> Any:
            projected = [ops.matmul(x_BLD, matrix) for matrix in projections]  # as the layers do: rank 3 by rank 2
            read = [tf.matmul(tf.matmul(scores, scores, transpose_b=True), scores) for _ in range(2)]
            return [*projected, *read]

        flops = (
            sum(6.0 * tokens * int(np.prod(matrix.shape)) for matrix in projections) + 18.0 * tokens * length * width
        )
        floor = differentiated(products, [x_BLD, scores, *projections])
        parts.append(
            StepPart("attention", len(attentions), differentiated(attend, [x_BLD, *projections]), floor, flops)
        )
    experts = [layer for layer in (encoder.experts, decoder.experts) if layer is not None]
    if experts:
        layer = experts[0]
        share = -(-tokens * layer.per_token // layer.experts)
        slots = tf.constant(np.random.default_rng(0).normal(size=(layer.experts, share, width)), "float32")
        hidden_EDH, output_EHD = layer.hidden_EDH.value, layer.output_EHD.value
        weights = [weight.value for weight in layer.trainable_variables]
        alone = differentiated(lambda: layer(x_BLD, real_BL, noisy()), [x_BLD, *weights])
        floor = differentiated(
            lambda: tf.matmul(tf.matmul(slots, hidden_EDH), output_EHD), [slots, hidden_EDH, output_EHD]
        )
        flops = 12.0 * tokens * layer.per_token * width * layer.size
        parts.append(StepPart("experts", len(experts), alone, floor, flops))
    table = net.modalities["text_words"].score.rows_VD.value
    labels = tf.constant(np.random.default_rng(0).integers(3, table.shape[0], tokens), "int32")
    x_ND = tf.reshape(x_BLD, (tokens, width))
    alone = differentiated(lambda: cross_entropy(x_ND, tf.convert_to_tensor(table), labels, 0.1)[0], [x_ND, table])
    floor = differentiated(lambda: tf.matmul(x_ND, table, transpose_b=True), [x_ND, table])
    parts.append(StepPart("output layer", 1, alone, floor, 6.0 * tokens * int(np.prod(table.shape))))
    parts.append(update_part(net, optimizer))
    return parts


def chained(steps: Sequence[Any], x_BLD: Any, convolve: Callable[[Any, Any], Any] = lambda step, x: step(x)) -> Any:
    """Return the result of ConvSteps in sequence."""
    for step in steps:
        x_BLD = convolve(step, x_BLD)
    return x_BLD


def conv_part(name: str, steps: Sequence[Any], run: Callable[[], Any], x_BLD: Any, count: int) -> StepPart:
    """Return the part for these ConvSteps, which `run` computes; with four of them, skips span two each.

    The floor is the same without depthwise convolutions.
    """

    def pointwise() -> Any:
        def step(layer: Any, x: Any) -> Any:
            return layer.norm(ops.matmul(ops.relu(x), layer.pointwise_DF))

        if len(steps) == 2:
            return chained(steps, x_BLD, step)
        return x_BLD + chained(steps[2:], x_BLD + chained(steps[:2], x_BLD, step), step)

    weights = [weight.value for layer in steps for weight in layer.trainable_variables]
    left = [weight for weight in weights if len(weight.shape) == 1 or weight.shape[0] == x_BLD.shape[-1]]
    tokens = x_BLD.shape[0] * x_BLD.shape[1]
    flops = 6.0 * tokens * sum(int(np.prod(layer.pointwise_DF.shape)) for layer in steps)
    return StepPart(
        name, count, differentiated(run, [x_BLD, *weights]), differentiated(pointwise, [x_BLD, *left]), flops
    )


def update_part(net: Net, optimizer: Optimizer) -> StepPart:
    """Return the part of the optimizer, for a gradient of every weight; the floor is a copy of as many bytes."""
    gradients = {weight.path: tf.fill(weight.shape, 1e-3) for weight in net.trainable_variables}
    buffers = [tf.Variable(tf.zeros(weight.shape)) for weight in net.trainable_variables]

    @tf.function(autograph=False)
    def apply() -> None:
        optimizer.apply(gradients, tf.constant(RATE), tf.constant(0))

    @tf.function(autograph=False)
    def stream() -> None:  # weight and two moments are each read and written once, and the gradient is read
        for buffer in buffers:
            for _ in range(3):
                buffer.assign_add(gradients_by_shape[buffer.shape])

    gradients_by_shape = {gradient.shape: gradient for gradient in gradients.values()}
    return StepPart("update", 1, apply, stream, 0.0)


def differentiated(function: Callable[[], Any], read: Sequence[Any]) -> Call:
    """Return a call of `function` forward and backward, to the tensors in `read`, in a graph as in a training step.

    The output is returned too: otherwise TensorFlow would leave out a forward product that no gradient needs.
    """

    @tf.function(autograph=False)
    def run() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(read)
            out = function()
        outs = out if isinstance(out, list) else [out]
        upstream = [tf.ones_like(each) for each in outs]
        gradients = tape.gradient(outs, read, upstream)
        return [*outs, *(tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None)]

    def call() -> None:
        run()[0].numpy()

    return call


def noisy() -> Forward:
    """Return a Forward with the noise of training."""
    return Forward(Noise(np.uint32(1)))


if __name__ == "__main__":
    main()
