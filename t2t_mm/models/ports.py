"""Which problems a body can take, and which modality nets stand around it."""

from collections.abc import Mapping, Sequence

from t2t_mm.errors import UserError
from t2t_mm.problem import Signature
from t2t_mm.registry import MODELS


def net_name(model: str, modality: str) -> str:
    """The registered modality net that reads or writes ports of `modality` for the model."""
    return MODELS[model].modality_nets.get(modality, modality)


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
