"""One model that learns many problems of different kinds at once.

What a newcomer imports: `t2t_mm.registry` (PROBLEMS, MODALITIES, MODELS, HPARAM_SETS), `t2t_mm.problem` (Problem),
`t2t_mm.data` (the features and sources problems are made of) and `t2t_mm.train.trainer` (Trainer). Importing the
package alone loads nothing, so that `--help` answers at once.
"""

__version__ = "0.1.0"
