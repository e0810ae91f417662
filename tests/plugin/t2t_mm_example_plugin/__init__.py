"""An example plugin: a problem (readings of a gauge to words), a modality for numbers, a model and hparam sets."""

from t2t_mm.registry import MODALITIES, MODELS

from . import hparams, problem

__all__ = ["hparams", "problem"]  # importing them registers their contents

MODALITIES.declare(
    "series", f"{__name__}.modality:Series"
)  # it imports Keras, so it is declared: imported only when a model is made
MODELS.declare("running_mean", f"{__name__}.body:RunningMean")
