"""Readings of a gauge to words: a problem, the modality that reads numbers, and an hparam set, from outside t2t_mm."""

from t2t_mm.registry import MODALITIES

from . import hparams, problem

__all__ = ["hparams", "problem"]  # imported, they are registered

MODALITIES.declare("series", f"{__name__}.modality:Series")  # needs Keras, so it is imported when a model is made
