"""The hparam set: a MultiModel as small as the problem."""

from dataclasses import replace

from t2t_mm.hparam_set import HparamSet
from t2t_mm.registry import HPARAM_SETS


@HPARAM_SETS.register
def gauge_tiny() -> HparamSet:
    """Width 16 and no experts: for readings of a gauge."""
    demo = HPARAM_SETS["multimodel_demo"]()
    return replace(demo, body=replace(demo.body, hidden_size=16, experts=0))
