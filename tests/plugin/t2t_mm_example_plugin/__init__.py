"""Readings of a gauge to words: a problem, the modality that reads numbers, a model and hparam sets, from outside."""

from t2t_mm.registry import MODALITIES, MODELS

from . import hparams, problem

__all__ = ["hparams", "problem"]  # imported, they are registered

MODALITIES.declare("series", f"{__name__}.modality:Series")  # needs Keras, so it is imported when a model is made
MODELS.declare("running_mean", f"{__name__}.body:RunningMean")
