"""A model under examination: a small net of it, and a batch for each problem that it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Signature
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.models.body import Body
from t2t_mm.models.net import Net
from t2t_mm.models.ports import check_ports
from t2t_mm.registry import HPARAM_SETS, MODELS
from t2t_mm.testing.examples import ANYBODY, INPUTS, PROBLEMS, TARGETS, Features, made

SMALL = {  # what a set is shrunk to, where it has hparams of these names
    "hidden_size": 8,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_blocks": 1,
    "mixer_blocks": 1,
    "decoder_blocks": 2,
    "shared_layers": 2,
    "attention_heads": 2,
    "filter_size": 12,
    "experts": 8,
    "experts_per_token": 2,
    "expert_size": 7,
    "kernel_size": 4,
    "decoder_size": 6,
    "statistics_steps": 4,
    "max_positions": 16,
    "image_size": 16,
    "audio_channels": 4,
}
IMPOSSIBLE = -100.0


@dataclass(frozen=True)
class Subject:
    """`net` has random weights, and its statistics have seen a batch; `refused` says why it leaves out a problem."""

    hparams: HparamSet
    batches: Mapping[str, Features]
    net: Net
    refused: Mapping[str, str]

    @property
    def signatures(self) -> Mapping[str, Signature]:
        return self.net.signatures

    def generated(self) -> list[str]:
        """The problems whose targets are written position by position."""
        return [problem for problem in self.batches if self.net.generates(problem)]

    def judged(self, problem: str, features: Features, net: Net | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(log probabilities float[B, T, V], bool[B, T]: which are real) as `Net.judge` has them."""
        logits_BTV, _, real_BT = (net or self.net).judge(problem, features, self.command(problem))
        return log_probabilities(logits_BTV), ops.convert_to_numpy(real_BT)

    def command(self, problem: str) -> np.int32:
        return np.int32(self.net.command(problem))


def subject(
    hparams: str | HparamSet,
    changes: str = "",
    problems: Mapping[str, Signature] | None = None,
    features: Mapping[str, Features] | None = None,
) -> Subject:
    """The model of an hparam set, shrunk by SMALL if the set is named, then with `changes` as of `--hparams`.

    It is tried on `problems`, by default on those of `PROBLEMS` that suit it. What its body does not take is left out,
    with the UserError that says why. `features` are batches for problems with modalities of one's own: arrays by
    feature and name, several rows.

    Raises:
        UserError: there is nothing left to try, or nothing to try it with.
    """
    hparams = shrunk(HPARAM_SETS[hparams]()) if isinstance(hparams, str) else hparams
    hparams = hparams.override(changes)
    known = dict(problems or _suited(MODELS[hparams.model]))
    given = features or {}
    refused: dict[str, str] = {}
    batches = {problem: _batch(problem, one, hparams, given) for problem, one in known.items()}
    for problem, signature in known.items():
        try:
            check_ports(hparams.model, {problem: signature})
            net_of(hparams, {problem: signature})
        except UserError as error:
            refused[problem] = str(error)
    net = _left(hparams, known, refused)
    for problem in net.signatures:
        try:
            _move(net, problem, batches[problem])
        except UserError as error:
            refused[problem] = str(error)
    net = _left(hparams, known, refused)
    scramble(net)
    for problem in net.signatures:
        _move(net, problem, batches[problem])
    return Subject(hparams, {problem: batches[problem] for problem in net.signatures}, net, refused)


def shrunk(hparams: HparamSet) -> HparamSet:
    """As small as a check needs."""
    known = hparams.flat()
    return hparams.with_values({name: value for name, value in SMALL.items() if name in known})


def smallest_set(model: str) -> str:
    """The name of the model's hparam set with the least `hidden_size`. Raises UserError where it has no set."""
    sets = {name: HPARAM_SETS[name]() for name in HPARAM_SETS}
    own = {name: one.body.hidden_size for name, one in sets.items() if one.model == model}
    if not own:
        raise UserError(f"No hparam set is one of the model {model}. Register one that names it.")
    return min(own, key=lambda name: own[name])


def net_of(hparams: HparamSet, signatures: Mapping[str, Signature]) -> Net:
    """A net that starts from the same numbers each time."""
    keras.utils.set_random_seed(7)
    net = Net(signatures, hparams)
    net.build()
    return net


def log_probabilities(logits: Any) -> np.ndarray:
    """float[..., V], of which none is below IMPOSSIBLE."""
    found = ops.convert_to_numpy(ops.log_softmax(ops.cast(logits, "float32"), axis=-1))
    return np.where(found < IMPOSSIBLE, IMPOSSIBLE, found)  # NaN stays


def scramble(net: Net) -> None:
    """Give every weight random values, so that none is zero, one or equal to another by accident."""
    rng = np.random.default_rng(0)
    for weight in sorted(net.trainable_variables, key=lambda weight: weight.path):
        weight.assign(rng.normal(0, 0.5, weight.shape))


def _left(hparams: HparamSet, known: Mapping[str, Signature], refused: Mapping[str, str]) -> Net:
    left = {problem: signature for problem, signature in known.items() if problem not in refused}
    if not left:
        raise UserError(f"{hparams.model} takes none of the problems: {' '.join(refused.values())}")
    return net_of(hparams, left)


def _suited(body: type[Body]) -> dict[str, Signature]:
    modalities = {*ANYBODY, *body.modality_nets} if body.reads is None else {*body.reads}
    return {
        problem: signature
        for problem, signature in PROBLEMS.items()
        if signature.inputs is None or signature.inputs.modality in modalities
    }


def _batch(problem: str, signature: Signature, hparams: HparamSet, given: Mapping[str, Features]) -> Features:
    if problem in given:
        return given[problem]
    for port, table in ((signature.inputs, INPUTS), (signature.targets, TARGETS)):
        if port is not None and port.modality not in table:
            raise UserError(
                f"There are no examples of {port.modality!r}, which is a modality of {problem}: "
                f"pass a batch of your own, features={{{problem!r}: ...}}."
            )
    return made(signature, hparams.data)


def _move(net: Net, problem: str, features: Features) -> None:
    """Do with the statistics of batch norms what a training step does."""
    forward = Forward(Noise(np.uint32(0)))
    net.loss(problem, features, np.int32(net.command(problem)), forward, 0.0)
    own = {weight.path: weight for weight in net.non_trainable_variables}
    for path, value in forward.moved.items():
        own[path].assign(value)
