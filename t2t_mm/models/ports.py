"""Which problems a body can take, which modality nets stand around it, and where all of these are defined."""

from collections.abc import Mapping, Sequence

from t2t_mm.errors import UserError
from t2t_mm.feature import Signature
from t2t_mm.hparam_set import HparamSet
from t2t_mm.registry import HPARAM_SETS, MODALITIES, MODELS, PROBLEMS


def net_name(model: str, modality: str) -> str:
    """The registered modality net that reads or writes ports of `modality` for the model."""
    return MODELS[model].modality_nets.get(modality, modality)


def addresses(signatures: Mapping[str, Signature], settings: HparamSet, hparams_set: str | None) -> list[str]:
    """Where everything is defined that a run of these problems asks registries for."""
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
    """Raise UserError for a problem whose inputs or targets the model cannot take; says which it can."""
    body = MODELS[model]
    for problem, signature in signatures.items():
        inputs, targets = signature.inputs, signature.targets
        if body.reads is not None and (inputs is None or inputs.modality not in body.reads):
            found = "it has no inputs" if inputs is None else f"its inputs are {inputs.modality}"
            raise _refused(model, problem, found, "reads", body.reads)
        if body.writes is not None and targets.modality not in body.writes:
            raise _refused(model, problem, f"its targets are {targets.modality}", "writes", body.writes)


def _refused(model: str, problem: str, found: str, does: str, modalities: Sequence[str]) -> UserError:
    return UserError(
        f"The model {model} cannot learn {problem}: {found}, and {model} {does} {' or '.join(modalities)} alone. "
        f"Leave the problem out, or choose another --hparams_set."
    )
