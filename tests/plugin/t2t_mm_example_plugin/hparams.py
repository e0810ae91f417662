"""The hparam sets: a small MultiModel, and the plugin's own body."""

from dataclasses import dataclass, replace

from t2t_mm.hparam_set import HparamSet
from t2t_mm.registry import HPARAM_SETS


@dataclass(frozen=True, kw_only=True)
class RunningMeanHparams:
    """Hparams of a RunningMean."""

    hidden_size: int = 16


@HPARAM_SETS.register
def gauge_tiny() -> HparamSet:
    """Width 16 and no experts, for readings of a gauge."""
    demo = HPARAM_SETS["multimodel_demo"]()
    return replace(demo, body=replace(demo.body, hidden_size=16, experts=0))


@HPARAM_SETS.register
def running_mean_tiny() -> HparamSet:
    """Width 16: a mean of the inputs and of the outputs so far."""
    return replace(gauge_tiny(), model="running_mean", body=RunningMeanHparams())
