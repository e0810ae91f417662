"""Checks of the problems that a model can learn, and the modality nets and definitions that they need."""

from collections.abc import Mapping

from t2t_mm.errors import UserError
from t2t_mm.feature import Signature
from t2t_mm.hparam_set import HparamSet
from t2t_mm.modalities.base import AutoregressiveTargetNet, InputNet, ModalityNet, TargetNet
from t2t_mm.models.body import Body, EncoderBody
from t2t_mm.registry import HPARAM_SETS, MODALITIES, MODELS, PROBLEMS


def net_name(model: str, modality: str) -> str:
    """Return the registered name of the modality net that serves ports of `modality` in the model."""
    return MODELS[model].modality_nets.get(modality, modality)


def addresses(signatures: Mapping[str, Signature], settings: HparamSet, hparams_set: str | None) -> list[str]:
    """Return the addresses ("module:object") of all that a run of these problems looks up in registries."""
    ports = [port for one in signatures.values() for port in (one.inputs, one.targets)]
    modalities = {port.modality for port in ports if port is not None}
    return [
        *(PROBLEMS.address(name) for name in signatures),
        *(MODALITIES.address(net_name(settings.model, modality)) for modality in modalities),
        *(HPARAM_SETS.address(name) for name in [hparams_set] if name is not None),
        MODELS.address(settings.model),
        type(settings.body).__module__,
    ]


def check_ports(model: str, signatures: Mapping[str, Signature]) -> None:
    """Raise UserError for a problem whose inputs or targets the model does not take; it names those that it takes."""
    body = MODELS[model]
    for problem, signature in signatures.items():
        inputs, targets = signature.inputs, signature.targets
        if body.reads is not None and (inputs is None or inputs.modality not in body.reads):
            reason = "it has no inputs" if inputs is None else f"its inputs are {inputs.modality}"
            raise _refused(model, problem, f"{reason}, and {model} reads only {' or '.join(body.reads)} inputs")
        if body.writes is not None and targets.modality not in body.writes:
            reason = f"its targets are {targets.modality}"
            raise _refused(model, problem, f"{reason}, and {model} writes only {' or '.join(body.writes)} targets")


def check_nets(model: str, body: EncoderBody, problem: str, inputs: ModalityNet | None, targets: ModalityNet) -> None:
    """Raise UserError if the problem's modality nets do not serve the sides that they stand on, or need a decoder.

    Args:
        model: the name of the model.
        body: its body.
        problem: the name of the problem.
        inputs: the modality net of the problem's inputs; None for a problem without inputs.
        targets: the modality net of its targets.
    """
    if inputs is not None and not isinstance(inputs, InputNet):
        reason = f"its inputs are {inputs.port.modality}, and the modality net {type(inputs).__name__}"
        raise _refused(model, problem, f"{reason} can only predict targets")
    if not isinstance(targets, TargetNet):
        reason = f"its targets are {targets.port.modality}, and the modality net {type(targets).__name__}"
        raise _refused(model, problem, f"{reason} can only read inputs")
    if goes_through_decoder(targets) and not isinstance(body, Body):
        reason = f"its targets are {targets.port.modality}, decoded position by position"
        raise _refused(model, problem, f"{reason}, and {model} has no decoder")


def goes_through_decoder(targets: TargetNet) -> bool:
    """Return True if the targets pass through the body's decoder, False if they are predicted from the memory."""
    return isinstance(targets, AutoregressiveTargetNet) and targets.autoregressive


def _refused(model: str, problem: str, reason: str) -> UserError:
    return UserError(
        f"The model {model} cannot learn {problem}: {reason}. Leave the problem out, or choose another --hparams_set."
    )
