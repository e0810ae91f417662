"""One model that learns many problems of different kinds at once.

Start with `t2t_mm.registry` (PROBLEMS, MODALITIES, MODELS, HPARAM_SETS), `t2t_mm.problem` (Problem), `t2t_mm.data` (the
features and sources of problems) and `t2t_mm.train.trainer` (Trainer). Importing the package alone loads nothing else,
so that `--help` answers at once.
"""

__version__ = "0.1.0"
