"""Measure how fast a model trains and decodes on JAX, on whatever device JAX has.

    python benchmarks/jax_step.py --hparams_set=multimodel_base --rows=64 --length=32 --precisions=float32,bfloat16

Batches are random: a text problem whose rows are all full, so there is no padding. It needs only keras, jax and numpy,
no TensorFlow and no data. It prints the seconds of the first call (tracing and compiling), the median of three runs of
`--steps` steps each, how long the host was busy starting a step, the throughput in target tokens a second, and useful
model FLOPs a second: matrix products by arithmetic, three times the forward ones, for an expert those of the tokens
that it is meant for. For comparison it prints the rate of a plain product of two square matrices in the same process
and type.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax
import jax.numpy as jnp
import keras
import numpy as np
from made_text import SPECS, forward_flops, made_batch, made_net, parameters

from t2t_mm.decoding.autoregressive_loop import greedy_search
from t2t_mm.decoding.compiled import for_each_shape
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps

EOS = 1
RATE = 1e-4
SQUARE = {"cpu": 1024, "gpu": 8192, "tpu": 8192}  # sides of the matrices of the plain product


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hparams_set", default="multimodel_tiny")
    parser.add_argument("--hparams", default="")
    parser.add_argument("--precisions", default="float32", help="of training; decoding is float32 always")
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=32, help="ids in a source and in a target")
    parser.add_argument("--steps", type=int, default=10, help="in each of three runs")
    parser.add_argument("--decode_rows", default="1,32", help="batch sizes of greedy decoding; empty for none")
    parser.add_argument("--positions", type=int, default=50, help="ids that are decoded in each row")
    options = parser.parse_args()

    device = jax.devices()[0]
    print(f"{device.device_kind or platform.processor()} ({device.platform}), jax {jax.__version__}", flush=True)
    for precision in filter(None, options.precisions.split(",")):
        hparams = HPARAM_SETS[options.hparams_set]().override(options.hparams).with_values({"precision": precision})
        train(hparams, options)
    for rows in filter(None, options.decode_rows.split(",")):
        decode(HPARAM_SETS[options.hparams_set]().override(options.hparams), int(rows), options)


def train(hparams: HparamSet, options: argparse.Namespace) -> None:
    """Time the training step and print its figures."""
    net = made_net(hparams, options.vocabulary)
    adam = Optimizer(net.trainable_variables, net.commands, hparams.training)
    steps = Steps(net, adam, {"text": SPECS}, hparams.training, seed=0)
    batches = [made_batch(options.rows, options.length, options.vocabulary, seed) for seed in range(4)]
    first, taken, handed = timed(lambda i: steps.train([batches[i % 4]], i, RATE, 1.0).nats, options.steps)
    tokens = options.rows * options.length
    useful = 3 * forward_flops(net, hparams, options.rows, options.length)
    precision = hparams.training.precision
    print(
        f"train {options.hparams_set} ({parameters(net):,} parameters) {options.rows}x{options.length} {precision}: "
        f"first call {first:.1f} s, step {1e3 * taken:.2f} ms (host {1e3 * handed:.2f} ms), "
        f"{tokens / taken:,.0f} target tokens/s, {useful / taken / 1e12:.3f} of "
        f"{square_product(precision) / 1e12:.3f} TFLOP/s",
        flush=True,
    )


def decode(hparams: HparamSet, rows: int, options: argparse.Namespace) -> None:
    """Time greedy decoding of full length, with its encoder, and print its figures."""
    net = made_net(hparams, options.vocabulary)
    for weight in net.trainable_variables:
        if weight.path == "net/text_words/score/rows":  # the end mark never scores highest
            weight.assign(np.where(np.arange(options.vocabulary)[:, None] == EOS, 0.0, weight.numpy()))

    def write(arrays: Any, x_B1D: Any, limits_B: Any) -> Any:
        state = net.start("text", net.encode("text", arrays, Forward()), options.positions)
        return greedy_search(net, "text", state, x_B1D, limits_B, options.positions)[0]

    program = for_each_shape(write, net.variables)
    arrays = made_batch(rows, options.length, options.vocabulary, 0).arrays["inputs"]
    arguments = arrays, net.first("text", rows), np.full(rows, options.positions, "int32")
    first, taken, _ = timed(lambda i: program(*arguments), 3)
    written = int((np.asarray(program(*arguments)) != 0).sum())
    print(
        f"decode {rows} rows of {options.positions} ids: first call {first:.1f} s, {1e3 * taken:.1f} ms, "
        f"{1e3 * taken / options.positions:.3f} ms a position, {written / taken:,.0f} tokens/s",
        flush=True,
    )


def timed(call: Callable[[int], Any], count: int) -> tuple[float, float, float]:
    """Return medians of three runs: (seconds of the first call, seconds of a later call, seconds of it on the host)."""
    started = time.perf_counter()
    jax.block_until_ready(call(0))
    first, taken, handed = time.perf_counter() - started, [], []
    for run in range(3):
        started = time.perf_counter()
        for i in range(count):
            result = call(1 + run * count + i)
        handed.append((time.perf_counter() - started) / count)
        jax.block_until_ready(result)
        taken.append((time.perf_counter() - started) / count)
    return first, statistics.median(taken), statistics.median(handed)


def square_product(precision: str) -> float:
    """Return the FLOP/s of a product of two square matrices."""
    side = SQUARE.get(jax.devices()[0].platform, 1024)
    x = jnp.ones((side, side), precision)
    product = jax.jit(lambda x: x @ x)
    _, taken, _ = timed(lambda i: product(x), 10)
    return 2 * side**3 / taken


if __name__ == "__main__":
    if keras.backend.backend() != "jax":
        raise SystemExit(f"This measures JAX; received KERAS_BACKEND={keras.backend.backend()}.")
    main()
