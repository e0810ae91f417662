"""Every update rule, by the name that the hparam `optimizer` takes."""

from t2t_mm.train.optim.adafactor import ADAFACTOR
from t2t_mm.train.optim.adam import ADAM, ADAM_W
from t2t_mm.train.optim.momentum import MOMENTUM
from t2t_mm.train.optim.muon import MUON
from t2t_mm.train.optim.rmsprop import RMSPROP
from t2t_mm.train.optim.update_rule import UpdateRule

RULES: dict[str, UpdateRule] = {
    "adam": ADAM,
    "adam_w": ADAM_W,
    "adafactor": ADAFACTOR,
    "momentum": MOMENTUM,
    "rmsprop": RMSPROP,
    "muon": MUON,
}
