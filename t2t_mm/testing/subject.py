"""The subject of the checks: a small net of a model, and a batch for each problem that it can learn."""

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
from t2t_mm.models.body import EncoderBody
from t2t_mm.models.net import Net
from t2t_mm.models.ports import check_ports
from t2t_mm.registry import HPARAM_SETS, MODELS
from t2t_mm.testing.examples import COMMON_INPUTS, INPUTS, PROBLEMS, TARGETS, Features, make_batch

SMALL = {  # the sizes that a named set is shrunk to, if it has hparams of these names
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


# Seven rows of examples give some steps of a sequence variances near 0. There a batch norm multiplies rounding errors
# by up to 1 / sqrt(epsilon), 300 times, which exceeds TOLERANCE on processors without AVX-512. The variances of a
# trained net, over many batches, are not so small.
LEAST_VARIANCE = 0.01


@dataclass(frozen=True)
class Subject:
    """A model to check: `net` has random weights, and its statistics come from one batch.

    `refused` maps each problem that was left out to the sentence that says why.
    """

    hparams: HparamSet
    batches: Mapping[str, Features]
    net: Net
    refused: Mapping[str, str]

    @property
    def signatures(self) -> Mapping[str, Signature]:
        return self.net.signatures

    def generated(self) -> list[str]:
        """Return the problems whose targets are decoded position by position."""
        return [problem for problem in self.batches if self.net.generates(problem)]

    def teacher_forced(self, problem: str, features: Features, net: Net | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (log probabilities float[B, T, V], real bool[B, T]), as `Net.teacher_forced`; `net` if not its own."""
        logits_BTV, _, real_BT = (net or self.net).teacher_forced(problem, features, self.command(problem))
        return log_probabilities(logits_BTV), ops.convert_to_numpy(real_BT)

    def command(self, problem: str) -> np.int32:
        return np.int32(self.net.command(problem))


def subject(
    hparams: str | HparamSet,
    changes: str = "",
    problems: Mapping[str, Signature] | None = None,
    features: Mapping[str, Features] | None = None,
) -> Subject:
    """Return the model of an hparam set as a subject of the checks.

    Args:
        hparams: an hparam set, or the name of one, which is then shrunk by SMALL.
        changes: changes of hparams, as with `--hparams`.
        problems: the problems to try; by default those of `PROBLEMS` whose inputs the body reads. Problems that the
            model cannot learn are left out; `Subject.refused` has the sentences that say why.
        features: batches for problems with modalities that the package has no examples of: arrays by feature and name,
            several rows.

    Raises:
        UserError: the model can learn none of the problems, or a modality has no examples.
    """
    hparams = shrunk(HPARAM_SETS[hparams]()) if isinstance(hparams, str) else hparams
    hparams = hparams.override(changes)
    known = dict(problems or _suited(MODELS[hparams.model]))
    own_batches = features or {}
    refused: dict[str, str] = {}
    batches = {problem: _batch(problem, one, hparams, own_batches) for problem, one in known.items()}
    for problem, signature in known.items():
        try:
            check_ports(hparams.model, {problem: signature})
            net_of(hparams, {problem: signature})
        except UserError as error:
            refused[problem] = str(error)
    net = _net_of_rest(hparams, known, refused)
    for problem in net.signatures:
        try:
            _update_statistics(net, problem, batches[problem])
        except UserError as error:
            refused[problem] = str(error)
    net = _net_of_rest(hparams, known, refused)
    scramble(net)
    for problem in net.signatures:
        _update_statistics(net, problem, batches[problem])
    return Subject(hparams, {problem: batches[problem] for problem in net.signatures}, net, refused)


def shrunk(hparams: HparamSet) -> HparamSet:
    """Return the set with the sizes of SMALL."""
    known = hparams.flat()
    return hparams.with_values({name: value for name, value in SMALL.items() if name in known})


def smallest_set(model: str) -> str:
    """Return the name of the model's hparam set with the least `hidden_size`. Raises UserError if it has no set."""
    sets = {name: HPARAM_SETS[name]() for name in HPARAM_SETS}
    own = {name: one.body.hidden_size for name, one in sets.items() if one.model == model}
    if not own:
        raise UserError(f"No hparam set names the model {model}. Register one that does.")
    return min(own, key=lambda name: own[name])


def net_of(hparams: HparamSet, signatures: Mapping[str, Signature]) -> Net:
    """Return a net with initial weights, the same at each call."""
    keras.utils.set_random_seed(7)
    net = Net(signatures, hparams)
    net.build()
    return net


def log_probabilities(logits: Any) -> np.ndarray:
    """Return log probabilities float[..., V], at least IMPOSSIBLE each; NaN stays NaN."""
    log_probs = ops.convert_to_numpy(ops.log_softmax(ops.cast(logits, "float32"), axis=-1))
    return np.where(log_probs < IMPOSSIBLE, IMPOSSIBLE, log_probs)


def scramble(net: Net) -> None:
    """Assign random values to every weight, so that none is zero, one or equal to another by accident."""
    rng = np.random.default_rng(0)
    for weight in sorted(net.trainable_variables, key=lambda weight: weight.path):
        weight.assign(rng.normal(0, 0.5, weight.shape))


def _net_of_rest(hparams: HparamSet, known: Mapping[str, Signature], refused: Mapping[str, str]) -> Net:
    rest = {problem: signature for problem, signature in known.items() if problem not in refused}
    if not rest:
        raise UserError(f"The model {hparams.model} can learn none of the problems: {' '.join(refused.values())}")
    return net_of(hparams, rest)


def _suited(body: type[EncoderBody]) -> dict[str, Signature]:
    modalities = {*COMMON_INPUTS, *body.modality_nets} if body.reads is None else {*body.reads}
    return {
        problem: signature
        for problem, signature in PROBLEMS.items()
        if signature.inputs is None or signature.inputs.modality in modalities
    }


def _batch(problem: str, signature: Signature, hparams: HparamSet, own_batches: Mapping[str, Features]) -> Features:
    if problem in own_batches:
        return own_batches[problem]
    for port, table in ((signature.inputs, INPUTS), (signature.targets, TARGETS)):
        if port is not None and port.modality not in table:
            raise UserError(
                f"There are no examples of the modality {port.modality!r} of {problem}: "
                f"pass a batch of your own, features={{{problem!r}: ...}}."
            )
    return make_batch(signature, hparams.data)


def _update_statistics(net: Net, problem: str, features: Features) -> None:
    """Update the statistics of batch norms as a training step does, with variances of at least LEAST_VARIANCE.

    A variance of exactly 0, of a constant channel, stays 0.
    """
    forward = Forward(Noise(np.uint32(0)))
    net.loss(problem, features, np.int32(net.command(problem)), forward, 0.0)
    own = {weight.path: weight for weight in net.non_trainable_variables}
    for path, value in forward.moved.items():
        if path.rpartition("/")[2] == "variance":
            value = ops.where(value > 0, ops.maximum(value, LEAST_VARIANCE), value)
        own[path].assign(value)
