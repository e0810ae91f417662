"""Which experts a problem can do without. E experts, of which a token takes k."""

from collections.abc import Mapping

import numpy as np

from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.experts import Experts
from t2t_mm.models.net import Net


def expert_layers(net: Net) -> dict[str, Experts]:
    """The layers of which experts may be pruned, by path; those that are left out are not among them."""
    layers = {layer.path: layer for layer in net.body._flatten_layers() if isinstance(layer, Experts)}
    paths = [f"{net.body.path}/{name}" for name in net.body.expert_layers]
    return {path: layers[path] for path in paths if path in layers and layers[path].weights}


def staying(choices_E: np.ndarray, per_token: int, below: float) -> np.ndarray:
    """The numbers of the experts that stay, int[E'], rising.

    Those go that were never chosen, and those whose share of the choices is less than `below`; but the k + 1 most
    chosen, which noisy gating needs, stay in any case.
    """
    share_E = choices_E / max(float(choices_E.sum()), 1.0)
    best_first = np.argsort(-share_E, kind="stable")
    stay_E = (choices_E > 0) & (share_E >= below)
    stay_E[best_first[: per_token + 1]] = True
    return np.flatnonzero(stay_E)


def pruned(net: Net, choices: Mapping[str, np.ndarray], below: float) -> dict[str, np.ndarray]:
    """By path of a layer, the numbers of the experts that stay, int[E'], for each layer that not all stay of.

    Args:
        choices: by path within the body, how often each expert was chosen, float[E].
        below: the least share of the choices that an expert is kept for.
    """
    kept = {}
    for path, layer in expert_layers(net).items():
        counted = path.removeprefix(f"{net.body.path}/")
        if counted in choices:
            stay = staying(choices[counted], layer.per_token, below)
            if len(stay) < layer.experts:
                kept[path] = stay
    return kept


def with_experts(hparams: HparamSet, net: Net, experts: Mapping[str, np.ndarray]) -> HparamSet:
    """The hparams of a body of which those in `experts`, by path of a layer, are all the experts that it has."""
    counts = {path: len(experts.get(path, range(layer.experts))) for path, layer in expert_layers(net).items()}
    names = {f"{net.body.path}/{layer}": name for layer, name in net.body.expert_layers.items()}
    return hparams.with_values({names[path]: count for path, count in counts.items()})
