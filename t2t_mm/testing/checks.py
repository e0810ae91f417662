"""The checks themselves: each takes a Subject, and raises PromiseBroken where its model does not hold to the contract.

What is promised stands in models/body.py and modalities/base.py. B rows, R of beams, T targets, V symbols.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from t2t_mm import run_directory
from t2t_mm.data.input.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.net import Net
from t2t_mm.testing.examples import Features, lengths_of, padded, picked
from t2t_mm.testing.promise import PromiseBroken, difference, same
from t2t_mm.testing.subject import Subject, log_probabilities, net_of
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.compiler import Lowered
from t2t_mm.train.step.steps import Steps

BEAMS = 3
IN_BFLOAT16 = "precision=bfloat16,accumulate_batches=1,batches_at_once=1"  # a step of one batch
NEAR = 0.1  # of a loss in bfloat16, as a share of the same in float32


def causality(subject: Subject) -> None:
    """A target is predicted from those before it, of which the last at least is remembered."""
    for problem in subject.generated():
        features = subject.batches[problem]
        length = int(features["targets"]["lengths"][0])
        moved = {name: {**arrays} for name, arrays in picked(features, [0] * (1 + length)).items()}
        ids_BT, size = moved["targets"]["ids"], subject.signatures[problem].targets.size
        for t in range(length):
            ids_BT[1 + t, t] = 2 + (ids_BT[1 + t, t] - 1) % (size - 2)  # the next id
        found_BTV = subject.judged(problem, moved)[0][:, :length]
        for t in range(length):
            one = f"{subject.hparams.model} on {problem}: with another target at position {t}"
            same(found_BTV[1 + t, : t + 1], found_BTV[0, : t + 1], f"{one}, what is said up to there is not the same.")
            if t + 1 < length and difference(found_BTV[1 + t, t + 1], found_BTV[0, t + 1]) < 1e-7:
                raise PromiseBroken(f"{one}, what is said at the next is just the same: it is not remembered.")


def hearing(subject: Subject) -> None:
    """Other inputs, another answer."""
    for problem, features in subject.batches.items():
        if "inputs" in features:
            batch = {**picked(features, [0, 1]), "targets": picked(features, [0, 0])["targets"]}
            answers_BTV, real_BT = subject.judged(problem, batch)
            if difference(answers_BTV[1, real_BT[0]], answers_BTV[0, real_BT[0]]) < 1e-7:
                raise PromiseBroken(f"{subject.hparams.model} on {problem}: of other inputs it says just the same.")


def padding(subject: Subject) -> None:
    """Pads say nothing, how many there are and whatever they hold."""
    for problem, features in subject.batches.items():
        right_BTV, real_BT = subject.judged(problem, features)
        for more in (1, 30):
            found_BTV, still_BT = subject.judged(problem, padded(features, more))
            said = f"{subject.hparams.model} on {problem}: {more} more pads, full of noise, change what is said."
            symbols = right_BTV.shape[-1]  # which are positions, where a part of the inputs is the answer
            same(found_BTV[still_BT][:, :symbols], right_BTV[real_BT], said)


def company(subject: Subject) -> None:
    """Outside training, what is said of an example does not depend on the others of its batch."""
    for problem, features in subject.batches.items():
        together_BTV, real_BT = subject.judged(problem, features)
        for row in np.flatnonzero(real_BT.any(axis=1))[:3]:
            alone_1TV, real_1T = subject.judged(problem, picked(features, [row]))
            said = f"{subject.hparams.model} on {problem}: example {row} alone is not answered as it is among others."
            same(alone_1TV[0, real_1T[0]], together_BTV[row, real_BT[row]], said)


def stepping(subject: Subject) -> None:
    """`start` and `step` by step is `decode` on the whole."""
    for problem in subject.generated():
        features = subject.batches[problem]
        rows, most = features["targets"]["ids"].shape
        right_BTV, real_BT = subject.judged(problem, features)
        state = subject.net.start(problem, _memory(subject, problem, features), most + 2)
        x_B1D = subject.net.first(problem, rows)
        for t in range(most):
            logits_BV, state = subject.net.step(problem, state, x_B1D)
            said = f"{subject.hparams.model} on {problem}: step {t} says something else than decode at position {t}."
            same(log_probabilities(logits_BV)[real_BT[:, t]], right_BTV[real_BT[:, t], t], said)
            x_B1D = _embedded(subject, problem, features["targets"]["ids"][:, t])


def beams(subject: Subject) -> None:
    """After `select` a row goes on where the one that it took over stood."""
    choices = np.array([[2, 0, 0], [1, 1, 0], [0, 2, 1], [2, 2, 1], [0, 1, 2], [1, 0, 0]])
    for problem in subject.generated():
        features = picked(subject.batches[problem], [0, 1])
        most = int(features["targets"]["lengths"].min())
        state = subject.net.start_beams(problem, _memory(subject, problem, features), most, BEAMS)
        wide = {name: {**arrays} for name, arrays in picked(features, np.repeat([0, 1], BEAMS)).items()}
        size = subject.signatures[problem].targets.size
        said_RT = np.random.default_rng(3).permuted(np.tile(np.arange(2, size), (2 * BEAMS, 1)), axis=1)[:, :most]
        x_R1D = subject.net.first(problem, 2 * BEAMS)
        for t in range(most):
            logits_RV, state = subject.net.step(problem, state, x_R1D)
            wide["targets"] = {"ids": said_RT.astype("int32"), "lengths": np.full(2 * BEAMS, most, "int32")}
            right_RV = subject.judged(problem, wide)[0][:, t]
            said = f"{subject.hparams.model} on {problem}: at step {t} beams do not go on where those they took stood."
            same(log_probabilities(logits_RV), right_RV, said)
            rows_R = (choices[t : t + 2] + np.array([[0], [BEAMS]])).reshape(-1)
            x_R1D = _embedded(subject, problem, said_RT[rows_R, t])
            said_RT = np.concatenate([said_RT[rows_R, : t + 1], said_RT[:, t + 1 :]], axis=1)
            state = subject.net.select(problem, state, ops.convert_to_tensor(rows_R, "int32"))


def losses(subject: Subject) -> None:
    """The loss is that of what is judged, empty rows cost nothing, and a training pass repeats itself."""
    for problem, features in subject.batches.items():
        command, name = subject.command(problem), f"{subject.hparams.model} on {problem}"
        logits_BTV, labels_BT, real_BT = subject.net.judge(problem, features, command)
        labels_BT, real_BT = (ops.convert_to_numpy(x) for x in (labels_BT, real_BT))
        nats_BT = -np.take_along_axis(log_probabilities(logits_BTV), labels_BT[..., None], axis=-1)[..., 0]
        loss = subject.net.loss(problem, features, command, Forward(), 0.0)
        if int(loss.count) != real_BT.sum():
            raise PromiseBroken(f"{name}: the loss counts {int(loss.count)} targets of {real_BT.sum()}.")
        found, right = float(loss.nats), float(nats_BT[real_BT].sum())
        if not abs(found - right) <= 1e-3 * abs(right):
            raise PromiseBroken(f"{name}: the loss is {found:.6g} nats, of what is judged {right:.6g}.")
        trained = [_trained(subject.net, problem, features, "float32") for _ in range(2)]
        if not np.isfinite(trained[0]) or trained[0] != trained[1]:
            raise PromiseBroken(f"{name}: two passes with equal noise lose {trained[0]:.6g} and {trained[1]:.6g} nats.")


def names(subject: Subject) -> None:
    """Paths of weights are unique; neither they nor what weights start from depend on the order of problems."""
    signatures = subject.signatures
    one, other = (net_of(subject.hparams, dict(order)) for order in (signatures.items(), [*signatures.items()][::-1]))
    for net in (one, other):
        path, count = Counter(weight.path for weight in net.weights).most_common(1)[0]
        if count > 1:
            raise PromiseBroken(f"{subject.hparams.model}: {count} weights have the path {path}.")
    _same_start(one, other, f"{subject.hparams.model}: with its problems in another order")


def round_trip(subject: Subject) -> None:
    """Written to a run directory and read again, the configuration is the same and makes the same net."""
    model = subject.hparams.model
    with tempfile.TemporaryDirectory() as folder:
        written = run_directory.RunRecord(hparams_set="", hparams=subject.hparams, problems=subject.signatures)
        run_directory.save(written, Path(folder))
        try:
            again = run_directory.load(Path(folder))
        except UserError as error:
            raise PromiseBroken(f"{model}: {error}") from error
    if again.hparams != subject.hparams or dict(again.problems) != dict(subject.signatures):
        raise PromiseBroken(f"{model}: config.json gives back {again.hparams}, not {subject.hparams}.")
    right_net, net = (net_of(one.hparams, one.problems) for one in (written, again))
    _same_start(right_net, net, f"{model}: made from config.json")
    net.restore(subject.net.tensors())
    for problem, features in subject.batches.items():
        found, right = (subject.judged(problem, features, each)[0] for each in (net, subject.net))
        same(found, right, f"{model} on {problem}: a net with the weights of another says something else.")


def bfloat16(subject: Subject) -> None:
    """Losses in bfloat16 are near those in float32; weights stay float32, and those of other problems as they are."""
    model, problem = subject.hparams.model, next(iter(subject.batches))
    net = net_of(subject.hparams, subject.signatures)
    for each, features in subject.batches.items():
        found, right = (_trained(net, each, features, dtype) for dtype in ("bfloat16", "float32"))
        if not abs(found - right) <= NEAR * abs(right):
            raise PromiseBroken(f"{model} on {each}: in bfloat16 it loses {found:.6g} nats, in float32 {right:.6g}.")
    training, features = subject.hparams.override(IN_BFLOAT16).training, subject.batches[problem]
    adam = Optimizer(net.trainable_variables, net.commands, training)
    steps = Steps(net, adam, {problem: specs_of(features)}, training, seed=0)
    before = net.tensors()
    batch = Batch(problem, 0, ("example",) * len(next(iter(features["targets"].values()))), dict(features))
    nats = float(steps.train(batch, 1, 1e-3, 1.0).nats)
    after, said = net.tensors(), f"{model} on {problem}: a training step in bfloat16"
    moved = [path for path in after if (after[path] != before[path]).any()]
    if not moved or not np.isfinite(nats) or not all(np.isfinite(after[path]).all() for path in moved):
        raise PromiseBroken(f"{said} loses {nats} nats and moves {len(moved)} weights, some of them to no number.")
    if odd := {str(tensor.dtype) for tensor in after.values()} - {"float32"}:
        raise PromiseBroken(f"{said} leaves weights in {', '.join(sorted(odd))}.")
    ports = (subject.signatures[problem].inputs, subject.signatures[problem].targets)
    others = net.modalities.keys() - {port.key for port in ports if port is not None}
    if astray := [path for path in moved if path.split("/")[1] in others]:
        raise PromiseBroken(f"{said} moves {astray[0]}, which the problem does not use.")


CHECKS: dict[str, Callable[[Subject], None]] = {
    check.__name__: check
    for check in (causality, hearing, padding, company, stepping, beams, losses, names, round_trip, bfloat16)
}


def specs_of(features: Features) -> dict[str, dict[str, ArraySpec]]:
    """What of the shapes of such batches is fixed: all but rows and lengths."""

    def spec(arrays: Arrays, key: str) -> ArraySpec:
        fixed = 1 if lengths_of(arrays, key) is None else 2
        return ArraySpec(str(arrays[key].dtype), (None,) * fixed + arrays[key].shape[fixed:])

    return {name: {key: spec(arrays, key) for key in arrays} for name, arrays in features.items()}


def _memory(subject: Subject, problem: str, features: Features) -> Seq:
    rows = len(features["targets"]["ids"])
    return subject.net.encode(problem, features.get("inputs"), Forward(), rows=rows)


def _embedded(subject: Subject, problem: str, ids_B: np.ndarray) -> Any:
    return subject.net.embed(problem, ops.convert_to_tensor(ids_B[:, None].astype("int32")))


def _trained(net: Net, problem: str, features: Features, dtype: str) -> float:
    """Nats a target of a training pass."""

    def judged() -> Any:
        loss = net.loss(problem, features, np.int32(net.command(problem)), Forward(Noise(np.uint32(0)), dtype=dtype), 0)
        return loss.nats / loss.count

    return float(judged() if dtype == "float32" else Lowered(dtype=f"mixed_{dtype}")(function=judged))


def _same_start(one: Net, other: Net, said: str) -> None:
    """The same weights, by path, shape and, where a net is new, by number."""
    found, right = other.tensors(), one.tensors()
    if odd := sorted(found.keys() ^ right.keys()):
        raise PromiseBroken(f"{said} it has not the same weights: {odd[0]} is there once only.")
    for path, tensor in right.items():
        same(found[path], tensor, f"{said} {path} does not start from the same numbers.")
