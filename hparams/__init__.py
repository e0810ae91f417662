"""Hparam sets, one file for each model. This file imports none of them: to name a set does not load Keras."""

if __name__ != "t2t_mm.hparams":
    raise ImportError(f"import this folder as t2t_mm.hparams, not as {__name__}: everything would be registered twice")
