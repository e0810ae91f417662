"""The checks: each takes a Subject, and raises PromiseBroken if its model does not keep the contract.

The contracts are in models/body.py and modalities/base.py. B rows, R rows of beams, T targets, V symbols.
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
from t2t_mm.models.net import Autocast, Net
from t2t_mm.run_config import RunConfig
from t2t_mm.testing.examples import Features, lengths_of, take_rows, with_more_pads
from t2t_mm.testing.subject import Subject, log_probabilities, net_of
from t2t_mm.train.optim.optimizer import Optimizer
from t2t_mm.train.step.steps import Steps

BEAMS = 3
IN_BFLOAT16 = "precision=bfloat16,accumulate_batches=1,batches_at_once=1"  # a step of one batch
BFLOAT16_TOLERANCE = 0.1  # difference of a loss in bfloat16, as a share of the loss in float32
TOLERANCE = 1e-4  # as a share of the largest number, or of 1 if that is less
UNCHANGED = 1e-7  # a smaller difference counts as none


class PromiseBroken(AssertionError):
    """A model does not keep its contract: the message names the promise, the problem and the difference."""


def causality(subject: Subject) -> None:
    """Check that an output depends on earlier targets only, and does depend on the last of them."""
    for problem in subject.generated():
        features = subject.batches[problem]
        length = int(features["targets"]["lengths"][0])
        changed = {name: {**arrays} for name, arrays in take_rows(features, [0] * (1 + length)).items()}
        ids_BT, size = changed["targets"]["ids"], subject.signatures[problem].targets.size
        for t in range(length):
            ids_BT[1 + t, t] = 2 + (ids_BT[1 + t, t] - 1) % (size - 2)  # the next id
        outputs_BTV = subject.teacher_forced(problem, changed)[0][:, :length]
        for t in range(length):
            start = f"{subject.hparams.model} on {problem}: another target at position {t}"
            message = f"{start} changes the outputs up to that position."
            check_equal(outputs_BTV[1 + t, : t + 1], outputs_BTV[0, : t + 1], message)
            if t + 1 < length and difference(outputs_BTV[1 + t, t + 1], outputs_BTV[0, t + 1]) < UNCHANGED:
                raise PromiseBroken(f"{start} does not change the output at the next: the decoder ignores it.")


def input_dependence(subject: Subject) -> None:
    """Check that other inputs give other outputs."""
    for problem, features in subject.batches.items():
        if "inputs" in features:
            batch = {**take_rows(features, [0, 1]), "targets": take_rows(features, [0, 0])["targets"]}
            outputs_BTV, real_BT = subject.teacher_forced(problem, batch)
            if difference(outputs_BTV[1, real_BT[0]], outputs_BTV[0, real_BT[0]]) < UNCHANGED:
                raise PromiseBroken(f"{subject.hparams.model} on {problem}: other inputs give the same outputs.")


def padding(subject: Subject) -> None:
    """Check that pads change no output, whatever their number and values."""
    for problem, features in subject.batches.items():
        expected_BTV, real_BT = subject.teacher_forced(problem, features)
        for more in (1, 30):
            outputs_BTV, still_real_BT = subject.teacher_forced(problem, with_more_pads(features, more))
            message = f"{subject.hparams.model} on {problem}: {more} more pads, full of noise, change the outputs."
            symbols = expected_BTV.shape[-1]  # these are positions of the inputs if the targets are spans
            check_equal(outputs_BTV[still_real_BT][:, :symbols], expected_BTV[real_BT], message)


def batch_independence(subject: Subject) -> None:
    """Check that outside training the outputs of an example do not depend on the rest of its batch."""
    for problem, features in subject.batches.items():
        batch_BTV, real_BT = subject.teacher_forced(problem, features)
        for row in np.flatnonzero(real_BT.any(axis=1))[:3]:
            alone_1TV, real_1T = subject.teacher_forced(problem, take_rows(features, [row]))
            message = f"{subject.hparams.model} on {problem}: example {row} alone has other outputs than in its batch."
            check_equal(alone_1TV[0, real_1T[0]], batch_BTV[row, real_BT[row]], message)


def stepping(subject: Subject) -> None:
    """Check that `start` and `step`, position by position, equal `decode` on the whole sequence."""
    for problem in subject.generated():
        features = subject.batches[problem]
        rows, length = features["targets"]["ids"].shape
        expected_BTV, real_BT = subject.teacher_forced(problem, features)
        state = subject.net.start(problem, _memory(subject, problem, features), length + 2)
        x_B1D = subject.net.first(problem, rows)
        for t in range(length):
            logits_BV, state = subject.net.step(problem, state, x_B1D)
            message = f"{subject.hparams.model} on {problem}: step {t} differs from decode at position {t}."
            check_equal(log_probabilities(logits_BV)[real_BT[:, t]], expected_BTV[real_BT[:, t], t], message)
            x_B1D = _embedded(subject, problem, features["targets"]["ids"][:, t])


def beams(subject: Subject) -> None:
    """Check that after `select` each row continues the row that was selected for it."""
    choices = np.array([[2, 0, 0], [1, 1, 0], [0, 2, 1], [2, 2, 1], [0, 1, 2], [1, 0, 0]])
    for problem in subject.generated():
        features = take_rows(subject.batches[problem], [0, 1])
        length = int(features["targets"]["lengths"].min())
        state = subject.net.start_beams(problem, _memory(subject, problem, features), length, BEAMS)
        repeated = {name: {**arrays} for name, arrays in take_rows(features, np.repeat([0, 1], BEAMS)).items()}
        size = subject.signatures[problem].targets.size
        ids_RT = np.random.default_rng(3).permuted(np.tile(np.arange(2, size), (2 * BEAMS, 1)), axis=1)[:, :length]
        x_R1D = subject.net.first(problem, 2 * BEAMS)
        for t in range(length):
            logits_RV, state = subject.net.step(problem, state, x_R1D)
            repeated["targets"] = {"ids": ids_RT.astype("int32"), "lengths": np.full(2 * BEAMS, length, "int32")}
            expected_RV = subject.teacher_forced(problem, repeated)[0][:, t]
            message = f"{subject.hparams.model} on {problem}: at step {t} rows do not continue the selected ones."
            check_equal(log_probabilities(logits_RV), expected_RV, message)
            rows_R = (choices[t : t + 2] + np.array([[0], [BEAMS]])).reshape(-1)
            x_R1D = _embedded(subject, problem, ids_RT[rows_R, t])
            ids_RT = np.concatenate([ids_RT[rows_R, : t + 1], ids_RT[:, t + 1 :]], axis=1)
            state = subject.net.select(problem, state, ops.convert_to_tensor(rows_R, "int32"))


def losses(subject: Subject) -> None:
    """Check that the loss is that of the logits, that empty rows cost nothing, and that training passes repeat."""
    for problem, features in subject.batches.items():
        command, name = subject.command(problem), f"{subject.hparams.model} on {problem}"
        logits_BTV, labels_BT, real_BT = subject.net.teacher_forced(problem, features, command)
        labels_BT, real_BT = (ops.convert_to_numpy(x) for x in (labels_BT, real_BT))
        nats_BT = -np.take_along_axis(log_probabilities(logits_BTV), labels_BT[..., None], axis=-1)[..., 0]
        loss = subject.net.loss(problem, features, command, Forward(), 0.0)
        if int(loss.count) != real_BT.sum():
            raise PromiseBroken(f"{name}: the loss counts {int(loss.count)} targets, but {real_BT.sum()} are real.")
        nats, expected = float(loss.nats), float(nats_BT[real_BT].sum())
        if not abs(nats - expected) <= 1e-3 * abs(expected):
            raise PromiseBroken(f"{name}: the loss is {nats:.6g} nats, but that of the logits is {expected:.6g}.")
        first, second = (_training_loss(subject.net, problem, features, "float32") for _ in range(2))
        if not np.isfinite(first) or first != second:
            raise PromiseBroken(
                f"{name}: two training passes with equal noise have losses of {first:.6g} and {second:.6g} nats."
            )


def names(subject: Subject) -> None:
    """Check that weight paths are unique, and that the order of problems changes neither paths nor initial values."""
    signatures = subject.signatures
    one, other = (net_of(subject.hparams, dict(order)) for order in (signatures.items(), [*signatures.items()][::-1]))
    for net in (one, other):
        path, count = Counter(weight.path for weight in net.weights).most_common(1)[0]
        if count > 1:
            raise PromiseBroken(f"{subject.hparams.model}: {count} weights have the path {path}.")
    _check_same_start(one, other, f"{subject.hparams.model} with its problems in another order")


def round_trip(subject: Subject) -> None:
    """Check that a configuration read back from a run directory is unchanged and makes the same net."""
    model = subject.hparams.model
    with tempfile.TemporaryDirectory() as folder:
        written = run_directory.RunRecord(
            run_config=RunConfig(problems=tuple(subject.signatures)),
            hparams=subject.hparams,
            problems=subject.signatures,
        )
        run_directory.save(written, Path(folder))
        try:
            loaded = run_directory.load(Path(folder))
        except UserError as error:
            raise PromiseBroken(f"{model}: {error}") from error
    if loaded.hparams != subject.hparams or dict(loaded.problems) != dict(subject.signatures):
        raise PromiseBroken(f"{model}: config.json was written from {subject.hparams}, but read as {loaded.hparams}.")
    written_net, net = (net_of(one.hparams, one.problems) for one in (written, loaded))
    _check_same_start(written_net, net, f"{model} made from config.json")
    net.restore(subject.net.tensors())
    for problem, features in subject.batches.items():
        outputs, expected = (subject.teacher_forced(problem, features, each)[0] for each in (net, subject.net))
        check_equal(outputs, expected, f"{model} on {problem}: a net with the same weights has other outputs.")


def bfloat16(subject: Subject) -> None:
    """Check training in bfloat16.

    Losses are near those in float32. A step leaves all weights in float32, and those of other problems unchanged.
    """
    model, problem = subject.hparams.model, next(iter(subject.batches))
    net = net_of(subject.hparams, subject.signatures)
    for each, features in subject.batches.items():
        low, full = (_training_loss(net, each, features, dtype) for dtype in ("bfloat16", "float32"))
        if not abs(low - full) <= BFLOAT16_TOLERANCE * abs(full):
            raise PromiseBroken(f"{model} on {each}: the loss is {low:.6g} nats in bfloat16, {full:.6g} in float32.")
    training, features = subject.hparams.override(IN_BFLOAT16).training, subject.batches[problem]
    adam = Optimizer(net.trainable_variables, net.commands, training)
    steps = Steps(net, adam, {problem: specs_of(features)}, training, seed=0)
    before = net.tensors()
    batch = Batch(problem, 0, ("example",) * len(next(iter(features["targets"].values()))), dict(features))
    nats = float(steps.train([batch], 1, 1e-3, 1.0).nats)
    after, start = net.tensors(), f"{model} on {problem}: a training step in bfloat16"
    changed = [path for path in after if (after[path] != before[path]).any()]
    if not changed:
        raise PromiseBroken(f"{start} changes no weight.")
    if not np.isfinite(nats) or not all(np.isfinite(after[path]).all() for path in changed):
        raise PromiseBroken(f"{start} has a loss of {nats} nats, and it or a weight after the step is non-finite.")
    if dtypes := {str(tensor.dtype) for tensor in after.values()} - {"float32"}:
        raise PromiseBroken(f"{start} leaves weights in {', '.join(sorted(dtypes))}, not in float32.")
    ports = (subject.signatures[problem].inputs, subject.signatures[problem].targets)
    others = net.modalities.keys() - {port.key for port in ports if port is not None}
    if foreign := [path for path in changed if path.split("/")[1] in others]:
        raise PromiseBroken(f"{start} changes {foreign[0]}, which the problem does not use.")


CHECKS: dict[str, Callable[[Subject], None]] = {
    check.__name__: check
    for check in (
        causality,
        input_dependence,
        padding,
        batch_independence,
        stepping,
        beams,
        losses,
        names,
        round_trip,
        bfloat16,
    )
}


def difference(value: Any, expected: Any) -> float:
    """Return the largest difference of two arrays of one shape, as a share of the larger of 1 and max |`expected`|."""
    if not expected.size:
        return 0.0
    return float(abs(value - expected).max() / max(1.0, abs(expected).max()))


def check_equal(value: np.ndarray, expected: np.ndarray, message: str) -> None:
    """Raise PromiseBroken, beginning with `message`, unless the two arrays are equal to TOLERANCE."""
    if value.shape != expected.shape:
        raise PromiseBroken(f"{message} Shapes: {value.shape} and {expected.shape}.")
    if not (distance := difference(value, expected)) <= TOLERANCE:  # true for NaN too
        raise PromiseBroken(f"{message} They differ by {distance:.2g}.")


def specs_of(features: Features) -> dict[str, dict[str, ArraySpec]]:
    """Return the specs of such batches: the number of rows and the lengths vary, all other sizes are fixed."""

    def spec(arrays: Arrays, key: str) -> ArraySpec:
        varying = 1 if lengths_of(arrays, key) is None else 2
        return ArraySpec(str(arrays[key].dtype), (None,) * varying + arrays[key].shape[varying:])

    return {name: {key: spec(arrays, key) for key in arrays} for name, arrays in features.items()}


def _memory(subject: Subject, problem: str, features: Features) -> Seq:
    rows = len(features["targets"]["ids"])
    return subject.net.encode(problem, features.get("inputs"), Forward(), rows=rows)


def _embedded(subject: Subject, problem: str, ids_B: np.ndarray) -> Any:
    return subject.net.embed(problem, ops.convert_to_tensor(ids_B[:, None].astype("int32")))


def _training_loss(net: Net, problem: str, features: Features, dtype: str) -> float:
    """Return the nats per target of a training pass."""

    def nats_per_target() -> Any:
        loss = net.loss(problem, features, np.int32(net.command(problem)), Forward(Noise(np.uint32(0)), dtype=dtype), 0)
        return loss.nats / loss.count

    if dtype == "float32":
        return float(nats_per_target())
    return float(Autocast(dtype=f"mixed_{dtype}")(function=nats_per_target))


def _check_same_start(one: Net, other: Net, start: str) -> None:
    """Raise PromiseBroken, beginning with `start`, unless both nets have the same weights by path, shape and value."""
    tensors, expected = other.tensors(), one.tensors()
    if unpaired := sorted(tensors.keys() ^ expected.keys()):
        raise PromiseBroken(f"{start} has other weights: only one of two nets has {unpaired[0]}.")
    for path, tensor in expected.items():
        check_equal(tensors[path], tensor, f"{start} starts {path} from other values.")
