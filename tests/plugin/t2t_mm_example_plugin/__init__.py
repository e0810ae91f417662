"""An example plugin: a problem (readings of a gauge to words), a modality for numbers, a model and hparam sets."""

from t2t_mm.registry import MODALITIES, MODELS

from . import hparams, problem

__all__ = ["hparams", "problem"]  # importing them registers their contents

# These two modules import Keras. They are declared, so that they are imported only when a model is made.
MODALITIES.declare("series", f"{__name__}.modality:Series")
MODELS.declare("running_mean", f"{__name__}.body:RunningMean")
