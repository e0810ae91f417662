"""Prune experts that a problem rarely uses. E experts, of which each token uses k."""

from collections.abc import Mapping

import numpy as np

from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.experts import Experts
from t2t_mm.models.net import Net


def expert_layers(net: Net) -> dict[str, Experts]:
    """Return the layers whose experts may be pruned, by path; layers that are left out of the net are not included."""
    layers = {layer.path: layer for layer in net.body._flatten_layers() if isinstance(layer, Experts)}
    paths = [f"{net.body.path}/{name}" for name in net.body.expert_layers]
    return {path: layers[path] for path in paths if path in layers and layers[path].weights}


def staying(choices_E: np.ndarray, per_token: int, below: float) -> np.ndarray:
    """Return the numbers of the experts to keep, int[E'], in increasing order.

    Experts that were never chosen are removed, and so are those whose share of the choices is less than `below`. The
    k + 1 experts that were chosen most often are always kept, because noisy gating needs them.
    """
    share_E = choices_E / max(float(choices_E.sum()), 1.0)
    best_first = np.argsort(-share_E, kind="stable")
    stay_E = (choices_E > 0) & (share_E >= below)
    stay_E[best_first[: per_token + 1]] = True
    return np.flatnonzero(stay_E)


def pruned(net: Net, choices: Mapping[str, np.ndarray], below: float) -> dict[str, np.ndarray]:
    """Return, by path of a layer, the numbers of the experts to keep, int[E'], for each layer that loses experts.

    Args:
        net: the net with the layers.
        choices: by path within the body, how often each expert was chosen, float[E].
        below: the least share of the choices for which an expert is kept.
    """
    kept = {}
    for path, layer in expert_layers(net).items():
        name = path.removeprefix(f"{net.body.path}/")
        if name in choices:
            stay = staying(choices[name], layer.per_token, below)
            if len(stay) < layer.experts:
                kept[path] = stay
    return kept


def with_experts(hparams: HparamSet, net: Net, experts: Mapping[str, np.ndarray]) -> HparamSet:
    """Return the hparams of a body that has only the experts in `experts`, which are by path of a layer."""
    counts = {path: len(experts.get(path, range(layer.experts))) for path, layer in expert_layers(net).items()}
    names = {f"{net.body.path}/{layer}": name for layer, name in net.body.expert_layers.items()}
    return hparams.with_values({names[path]: count for path, count in counts.items()})
