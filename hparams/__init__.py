"""Hparam sets, and whole runs as gin files. Empty, so that naming a set loads no Keras."""

if __name__ != "t2t_mm.hparams":
    raise ImportError(f"import this folder as t2t_mm.hparams, not as {__name__}: everything would be registered twice")
