"""Ranges to search with `t2t-mm-trainer --hparams_range`, after basic_range1 and transformer_base_range of T2T."""

from t2t_mm.hparam_ranges import Choice, Floats, Ints, Ranges
from t2t_mm.registry import HPARAM_RANGES


@HPARAM_RANGES.register
def training_range() -> Ranges:
    """Training of any hparam set: learning rate, warm-up, Adam's betas, clipping, label smoothing."""
    return {
        "learning_rate": Floats(0.1, 3.0, log=True),
        "learning_rate_warmup_steps": Ints(100, 16000, log=True),
        "adam_beta1": Floats(0.8, 0.95),
        "adam_beta2": Floats(0.95, 0.999),
        "clip_grad_norm": Choice(0.0, 0.5, 1.0, 2.0, 5.0),
        "label_smoothing": Choice(0.0, 0.05, 0.1, 0.2),
    }


@HPARAM_RANGES.register
def multimodel_tiny_range() -> Ranges:
    """Learning rate, dropout and experts around multimodel_tiny; each trial trains in minutes."""
    return {
        "learning_rate": Floats(0.2, 3.0, log=True),
        "learning_rate_warmup_steps": Ints(100, 1000, log=True),
        "dropout": Floats(0.0, 0.3),
        "experts": Choice(8, 16, 32),
        "experts_per_token": Choice(1, 2, 4),
    }


@HPARAM_RANGES.register
def multimodel_base_range() -> Ranges:
    """Learning rate, dropout and experts around multimodel_base."""
    return {
        "learning_rate": Floats(0.2, 3.0, log=True),
        "learning_rate_warmup_steps": Ints(1000, 16000, log=True),
        "dropout": Floats(0.0, 0.4),
        "attention_dropout": Floats(0.0, 0.2),
        "experts": Choice(30, 60, 120),
        "experts_per_token": Choice(2, 4, 8),
        "expert_size": Choice(512, 1024, 2048),
    }


@HPARAM_RANGES.register
def transformer_base_range() -> Ranges:
    """T2T's range of that name: learning rate, warm-up, Adam's betas; dropout replaces its initialiser's gain."""
    return {
        "learning_rate": Floats(0.3, 3.0, log=True),
        "learning_rate_warmup_steps": Choice(1000, 2000, 4000, 8000, 16000),
        "dropout": Floats(0.0, 0.3),
        "adam_beta1": Floats(0.85, 0.95),
        "adam_beta2": Floats(0.97, 0.99),
    }
