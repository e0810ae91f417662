"""The hparam sets: a MultiModel as small as the problem, and a body of one's own."""

from dataclasses import dataclass, replace

from t2t_mm.hparam_set import HparamSet
from t2t_mm.registry import HPARAM_SETS


@dataclass(frozen=True, kw_only=True)
class RunningMeanHparams:
    """The one size of a RunningMean."""

    hidden_size: int = 16


@HPARAM_SETS.register
def gauge_tiny() -> HparamSet:
    """Width 16 and no experts: for readings of a gauge."""
    demo = HPARAM_SETS["multimodel_demo"]()
    return replace(demo, body=replace(demo.body, hidden_size=16, experts=0))


@HPARAM_SETS.register
def running_mean_tiny() -> HparamSet:
    """Width 16: a mean of what was read and of what was said."""
    return replace(gauge_tiny(), model="running_mean", body=RunningMeanHparams())
