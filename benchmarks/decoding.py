"""Measure decoding throughput: greedy and beam search, and how the time of a position depends on its place.

    python benchmarks/decoding.py --hparams_set=multimodel_tiny

It decodes a text problem with random inputs and untrained weights, whose outputs never end, so the figures depend on no
corpus. Times are of complete calls as the decoder makes them, from ids to ids, encoding included, except for the lines
by position. A call is timed after its program was compiled. Calls take turns, so that a busy moment affects all of
them. It prints medians, and ratios of calls in the same turn.
"""

import argparse
from statistics import median
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from clock import Call, gemm_rate, in_turns, seconds
from keras import ops
from made_text import parameters, spread_gates

from t2t_mm.data.features.text import TextCodec
from t2t_mm.data.vocabulary import EOS
from t2t_mm.decoding.programs import Programs
from t2t_mm.feature import Signature
from t2t_mm.models.net import Net
from t2t_mm.registry import HPARAM_SETS

ALPHA = 0.6
EARLY, LATE, AROUND = 50, 400, 98  # the time of a position is the mean over AROUND positions around it
SHORT, LONG = 128, 480  # positions of the programs in which it is measured


class Endless(Net):
    """A net whose outputs never end before their limits."""

    def step(self, problem: str, state: Any, x_B1D: Any) -> tuple[Any, Any]:
        logits_BV, state = super().step(problem, state, x_B1D)
        return ops.where(ops.arange(logits_BV.shape[-1]) == EOS, -float("inf"), logits_BV), state


class Bench:
    """A net with the programs that decode from it."""

    def __init__(self, options: argparse.Namespace) -> None:
        keras.utils.set_random_seed(0)
        vocabulary: Any = SimpleNamespace(size=options.vocabulary)  # ids are random, so no pieces are needed
        self.codec, self.source = TextCodec("made", vocabulary), options.source
        hparams = HPARAM_SETS[options.hparams_set]().override(options.hparams)
        self.net = Endless({"made": Signature(self.codec.port, self.codec.port, "generic")}, hparams)
        self.net.build()
        spread_gates(self.net)
        self.programs = Programs(self.net, hparams.data)

    def call(self, rows: int, beams: int, positions: int, ids: int) -> Call:
        """Return a call that writes `ids` ids for each of `rows` sources, in a program for `positions` positions."""
        sources = np.random.default_rng(1).integers(2, self.codec.port.size, (rows, self.source), dtype=np.int32)
        arrays, limits_B = self.codec.batch(list(sources), rows, self.source), np.full(rows, ids, np.int32)

        def decode() -> None:
            outputs = self.programs.search("made", self.codec, arrays, limits_B, positions, beams, ALPHA)
            ids_BKT = ops.convert_to_numpy(outputs[0])
            if np.count_nonzero(ids_BKT[:, 0]) != rows * ids:
                raise SystemExit("An output ended before its limit, so the times would be for fewer ids than printed.")

        return decode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hparams_set", default="multimodel_tiny")
    parser.add_argument("--hparams", default="")
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--source", type=int, default=32, help="ids in a source")
    parser.add_argument("--ids", type=int, default=48, help="ids written for each source")
    parser.add_argument("--positions", type=int, default=96, help="positions of the programs")
    parser.add_argument("--rows", type=int, default=32, help="sources in a batch")
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--long", action=argparse.BooleanOptionalAction, default=True, help="also time late positions")
    options = parser.parse_args()
    bench, rows, ids, beams = Bench(options), options.rows, options.ids, options.beams
    print(f"{options.hparams_set} {options.hparams}: {parameters(bench.net):,} parameters, {keras.backend.backend()}")
    print(f"{ids} ids from {options.source}, in programs of {options.positions} positions")
    before = gemm_rate()

    calls = {
        "greedy, batch 1": bench.call(1, 1, options.positions, ids),
        f"greedy, batch {rows}": bench.call(rows, 1, options.positions, ids),
        f"beam {beams}, batch {rows}": bench.call(rows, beams, options.positions, ids),
    }
    compiling = {name: seconds(call) for name, call in calls.items()}
    times = in_turns(calls, options.turns)
    print(f"\n{'':24}{'first call':>12}{'a batch':>12}{'a position':>12}{'tokens/s':>12}")
    for name, taken in times.items():
        sources, a_batch = 1 if name.endswith(" 1") else rows, median(taken)
        print(
            f"{name:24}{compiling[name]:10.1f} s{a_batch * 1e3:9.1f} ms{a_batch / ids * 1e3:9.2f} ms"
            f"{sources * ids / a_batch:12,.0f}"
        )
    _, greedy, beam = times.values()
    ratio = median(b / g for b, g in zip(beam, greedy, strict=True))
    print(f"{f'beam {beams} : greedy':24}{ratio:12.2f} times as long for a sentence", flush=True)
    if options.long:
        by_position(bench, 1, options.turns)
        by_position(bench, rows, 3)
    print(f"\na plain product of two matrices: {before:.0f} GFLOP/s before, {gemm_rate():.0f} after")


def by_position(bench: Bench, rows: int, turns: int) -> None:
    """Print the time of greedy search at an early and at a late position, from the difference of two lengths."""
    places = {
        f"{EARLY}, room for {SHORT}": (SHORT, EARLY),
        f"{EARLY}, room for {LONG}": (LONG, EARLY),
        f"{LATE}, room for {LONG}": (LONG, LATE),
    }
    calls = {
        (name, side): bench.call(rows, 1, room, at + side * AROUND // 2)
        for name, (room, at) in places.items()
        for side in (-1, 1)
    }
    times = in_turns(calls, turns + 1)
    print(f"\ngreedy, batch {rows}, at position", flush=True)
    first = 0.0
    for name in places:
        both = zip(times[name, 1], times[name, -1], strict=True)
        taken = median((more - less) / AROUND for more, less in list(both)[1:])  # the first turn compiles
        first = first or taken
        print(f"{name:24}{taken * 1e3:33.2f} ms{taken / first:12.2f} times the first", flush=True)


if __name__ == "__main__":
    main()
