"""Every update rule, by the name that the hparam `optimizer` takes."""

from t2t_mm.train.optimisers.adafactor import ADAFACTOR
from t2t_mm.train.optimisers.adam import ADAM, ADAM_W
from t2t_mm.train.optimisers.momentum import MOMENTUM
from t2t_mm.train.optimisers.muon import MUON
from t2t_mm.train.optimisers.rmsprop import RMSPROP
from t2t_mm.train.optimisers.rule import Rule

RULES: dict[str, Rule] = {
    "adam": ADAM,
    "adam_w": ADAM_W,
    "adafactor": ADAFACTOR,
    "momentum": MOMENTUM,
    "rmsprop": RMSPROP,
    "muon": MUON,
}
