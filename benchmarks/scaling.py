"""Measure what a step costs with more problems and with more experts.

    python benchmarks/scaling.py --hparams_set=multimodel_tiny --rows=16

The steps are of a synthetic text problem. First it is alone, then one of eight that read and write text, images and
audio; then it has 60 experts, then 240 with the same number for each token. Steps of the two nets of a comparison take
turns in one process. Memory is that of a separate process for each net, after three steps. The floor for 240 experts is
the memory traffic of their weights, at the rate at which the same run adds one array to another in place.
"""

import argparse
import subprocess
import sys
from statistics import median

import numpy as np
import tensorflow as tf
from clock import Call, gemm_rate, in_turns, peak_memory, seconds
from made_text import SPECS, made_batch, parameters, spread_gates

from t2t_mm.feature import Port, Signature
from t2t_mm.hparam_set import HparamSet
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps

WORDS, IMAGE, AUDIO = Port("text", "text_words", 8192), Port("image", "image", 0), Port("audio_spectral", "audio", 0)
CLASSES = Port("label", "label_things", 10)
EIGHT = {
    "text": Signature(WORDS, WORDS, "to-german"),
    "back": Signature(WORDS, WORDS, "to-english"),
    "third": Signature(WORDS, WORDS, "to-french"),
    "fourth": Signature(WORDS, WORDS, "from-french"),
    "parsing": Signature(WORDS, WORDS, "to-trees"),
    "images": Signature(IMAGE, CLASSES, "to-class"),
    "captions": Signature(IMAGE, WORDS, "to-caption"),
    "speech": Signature(AUDIO, WORDS, "to-transcript"),
}
RATE = 1e-4
# Traffic of a weight in a step: it is read forward and backward; its gradient is written, and read for the norm and by
# the update; the update reads and writes the weight and its two moments.
TRAFFIC = 4 * (2 + 1 + 2 + 6)  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hparams_set", default="multimodel_tiny")
    parser.add_argument("--hparams", default="")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=32, help="ids in a source and in a target")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--memory_of", help="used by the processes that measure the memory of one net")
    options = parser.parse_args()
    nets = {
        "one registered": (1, None),
        "eight registered": (8, None),
        "60 experts": (1, 60),
        "240 experts": (1, 240),
    }
    if options.memory_of:
        problems, experts = nets[options.memory_of]
        _, step = stepping(problems, settings(options, experts), options)
        for _ in range(3):
            step()
        print(peak_memory() / 2**30)
        return
    print(f"{options.hparams_set} {options.hparams}, {options.rows} x {options.length} target tokens")
    print(f"a plain product: {gemm_rate():.0f} GFLOP/s\n")
    print(f"{'':18}{'parameters':>14}{'a step':>12}{'times the first':>17}{'memory of the process':>24}")
    for pair in (("one registered", "eight registered"), ("60 experts", "240 experts")):
        made = {name: stepping(nets[name][0], settings(options, nets[name][1]), options) for name in pair}
        calls: dict[str, Call] = {name: step for name, (_, step) in made.items()}
        in_turns(calls, 2)
        times = in_turns(calls, options.turns)
        for name, (net, _) in made.items():
            ratio = median(b / a for a, b in zip(times[pair[0]], times[name], strict=True))
            taken, memory = median(times[name]) * 1e3, memory_of(name)
            print(f"{name:18}{parameters(net):14,}{taken:9.1f} ms{ratio:17.2f}{memory:20.2f} GiB", flush=True)
    few, many = (parameters(net) for net, _ in made.values())
    floor, first = (many - few) * TRAFFIC / stream_rate(), median(times[pair[0]])
    times_first = f"{floor * 1e3:9.1f} ms{1 + floor / first:17.2f}"
    print(f"{'  floor':18}{many - few:14,}{times_first}  traffic of the additional weights")


def settings(options: argparse.Namespace, experts: int | None) -> HparamSet:
    """Return the hparam set of the options, with this number of experts if it is not None."""
    hparams = HPARAM_SETS[options.hparams_set]().override(options.hparams)
    return hparams if experts is None else hparams.with_values({"experts": experts})


def stepping(problems: int, hparams: HparamSet, options: argparse.Namespace) -> tuple[Net, Call]:
    """Return a net for this number of problems, and a step of it on the first problem."""
    net = Net(dict(list(EIGHT.items())[:problems]), hparams)
    net.build()
    spread_gates(net)
    optimizer = Optimizer(net.trainable_variables, net.commands, hparams.training)
    steps = Steps(net, optimizer, {"text": SPECS}, hparams.training, seed=0)
    batch = made_batch(options.rows, options.length, WORDS.size, 0)
    counter = iter(range(10**9))
    return net, lambda: float(np.asarray(steps.train([batch], next(counter), RATE, 1.0).nats))


def stream_rate() -> float:
    """Return the bytes a second, read and written, when one large array is added to another in place."""
    total, added = tf.Variable(tf.zeros(2**26)), tf.ones(2**26)

    @tf.function(autograph=False)
    def add() -> None:
        total.assign_add(added)

    add()
    return 3 * 4 * 2**26 / median(seconds(add) for _ in range(5))


def memory_of(name: str) -> float:
    """Return the peak GiB of a process that takes steps of the net `name`."""
    done = subprocess.run([sys.executable, *sys.argv, f"--memory_of={name}"], capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
