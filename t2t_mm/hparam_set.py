"""Hyperparameters: frozen, typed records with flat names that are unique over all three.

A set is a registered function that returns an HparamSet; `override` applies `--hparams=name=value,...` to a copy.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from typing import Any

from t2t_mm.errors import UnknownName, UserError


def check_bounds(record: Any, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Raise UserError for a field of `record` outside its (least, most)."""
    for name, (least, most) in bounds.items():
        value = getattr(record, name)
        if not least <= value <= most:
            limit = f"at least {least:g}" if most == inf else f"from {least:g} to {most:g}"
            raise UserError(f"hparam {name} must be {limit}; received {value}.")


def check_choices(record: Any, choices: Mapping[str, Sequence[str]]) -> None:
    """Raise UnknownName, with a suggestion, for a field of `record` that is none of its choices."""
    for name, known in choices.items():
        if getattr(record, name) not in known:
            raise UnknownName(name, getattr(record, name), known)


CORRUPT_RECORD = ("stop", "skip")  # see data/input/corrupt_records.py
SPEC_AUGMENT = ("none", "LB", "LD", "SM", "SS", "conformer")  # policies of data/features/spec_augment.py


@dataclass(frozen=True, kw_only=True)
class DataHparams:
    """Hyperparameters of batches and of the modality nets."""

    batch_size: int = 2048  # body positions in a batch: rows x the longer of source positions and target tokens
    max_length: int = 256  # ids; longer training texts are left out, and counted
    window_stride: int = 128  # ids from one window over a long text to the next, for texts that are read in windows
    buckets: int = 8  # shapes of batch that a problem has at most
    corrupt_record: str = "stop"  # on a record that can't be read: stop, or skip the record
    image_size: int = 64  # pixels, both sides
    image_patch: int = 16  # pixels, both sides, of the square that a body position reads; 16 for an entry flow
    image_augment: bool = True  # random crop and mirror image in training
    audio_seconds: float = 25.0  # longer training clips are left out, and counted
    audio_halvings: int = 3  # halvings of time in the net that reads spectra: 3 give a body position of 80 ms
    audio_flatten: bool = False  # as in the paper: each of 80 frequencies at each time is a body position
    audio_channels: int = 32  # of the narrowest block; the paper's first block has 2
    spec_augment: str = "none"  # warps and masks training spectra: LB, LD, SM, SS (arXiv 1904.08779) or conformer
    waveform_halvings: int = 10  # halvings of time in the net that reads samples: 10 give a body position of 64 ms
    shared_embedding_and_softmax_weights: bool = False  # text: the output matrix W_S is the embedding W_E

    def __post_init__(self) -> None:
        check_bounds(self, dict.fromkeys(("batch_size", "max_length", "window_stride", "buckets"), (1, inf)))
        check_bounds(self, dict.fromkeys(("image_size", "image_patch"), (1, 4096)))
        check_bounds(self, {"audio_seconds": (0.01, inf), "audio_channels": (1, inf)})
        check_bounds(self, dict.fromkeys(("audio_halvings", "waveform_halvings"), (0, 16)))
        check_choices(self, {"corrupt_record": CORRUPT_RECORD, "spec_augment": SPEC_AUGMENT})


ENDING = ("cosine", "linear", "exponential")  # schedules of the learning rate that end with the run
SCHEDULES = ("noam", "rsqrt_decay", *ENDING, "constant")  # train/optim/learning_rate.py
OPTIMIZERS = ("adam", "adam_w", "adafactor", "momentum", "rmsprop", "muon")  # one update rule each in train/optim
NOT_FINITE = ("stop", "skip", "rollback")  # see train/faults/policy.py
PROBLEM_CHOICES = ("uniform", "proportional", "adaptive", "fixed", "scheduled", "distributed")  # train/mixture/mixer.py
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class TrainingHparams:
    """Hyperparameters of training. Defaults are Tensor2Tensor's where it has them."""

    optimizer: str = "adam"  # adam, adam_w, adafactor, momentum, rmsprop or muon
    learning_rate: float = 1.0  # times the schedule; T2T's 0.1 counts the same, since its Adam multiplied by 10
    learning_rate_schedule: str = "noam"
    learning_rate_warmup_steps: int = 4000
    adam_beta1: float = 0.85
    adam_beta2: float = 0.997
    adam_epsilon: float = 1e-6
    adafactor_memory_exponent: float = 0.8
    adafactor_clipping_threshold: float = 1.0
    adafactor_multiply_by_parameter_scale: bool = True
    momentum: float = 0.9  # of momentum and of rmsprop
    momentum_nesterov: bool = False
    muon_momentum: float = 0.95
    rmsprop_decay: float = 0.9
    rmsprop_epsilon: float = 1e-7  # inside the square root
    weight_decay: float = 0.0  # times sum(weight^2) / 2 in the loss; decoupled, times the rate, with adam_w and muon
    ema_decay: float = 0.0  # of the averaged weights that evaluation and decoding then use; 0: none
    accumulate_batches: int = 1  # gradient accumulation: micro-batches a step (T2T: optimizer_multistep_...)
    batches_at_once: int = 1  # micro-batches computed in parallel, a share of the cores each; on TensorFlow
    freeze: str = ""  # parts that do not train: "body/encoder text_*"
    clip_grad_norm: float = 2.0  # global norm over the weights in use; 0 does not clip
    label_smoothing: float = 0.1
    not_finite: str = "stop"  # on a non-finite loss or gradient: stop, skip or rollback
    problem_choice: str = "uniform"  # uniform, proportional, adaptive, fixed, scheduled or distributed
    problem_temperature: float = 1.0  # proportional: rate ~ (training examples)^(1 / temperature)
    problem_floor: float = 0.25  # adaptive: no problem falls below this share of the uniform rate
    problem_rates: str = ""  # fixed, distributed: "problem:rate problem:rate ..."
    problem_schedule: str = ""  # scheduled: "linear @0 problem:1 @10000 uniform"; see train/mixture/problem_schedule.py
    precision: str = "float32"  # of a training step's activations; bfloat16 is for accelerators

    def __post_init__(self) -> None:
        check_choices(
            self,
            {
                "optimizer": OPTIMIZERS,
                "learning_rate_schedule": SCHEDULES,
                "not_finite": NOT_FINITE,
                "problem_choice": PROBLEM_CHOICES,
                "precision": PRECISIONS,
            },
        )
        positive = ("clip_grad_norm", "learning_rate_warmup_steps", "weight_decay")
        shares = ("label_smoothing", "momentum", "muon_momentum", "ema_decay", "problem_floor")
        check_bounds(self, dict.fromkeys(positive, (0, inf)) | dict.fromkeys(shares, (0, 1)))
        adam = {"adam_beta1": (0, 0.999999), "adam_beta2": (0, 0.999999), "adam_epsilon": (0, 1)}
        rmsprop = {"rmsprop_decay": (0, 0.999999), "rmsprop_epsilon": (1e-30, 1)}
        check_bounds(self, adam | rmsprop | {"learning_rate": (0, 1e38)})
        adafactor = {"adafactor_memory_exponent": (0, 1), "adafactor_clipping_threshold": (1e-6, inf)}
        check_bounds(self, adafactor | dict.fromkeys(("accumulate_batches", "batches_at_once"), (1, inf)))
        if self.accumulate_batches % self.batches_at_once:
            values = f"{self.batches_at_once} and {self.accumulate_batches}"
            raise UserError(f"batches_at_once must divide accumulate_batches; received {values}.")


PLAIN = ("bool", "int", "float", "str")  # types that text is parsed to
RECORDS = ("body", "training", "data")
MULTIPROBLEM = (  # the answer to T2T's hparams of that prefix
    "Tensor2Tensor's schedules of problems are problem_choice=scheduled and, for instance, "
    "problem_schedule=step @0 first:1 @10000 uniform (pretrain), or exponential in place of step."
)


@dataclass(frozen=True)
class HparamSet:
    """A model's name and the three records: its body's, training's and the data's."""

    model: str
    body: Any
    training: TrainingHparams
    data: DataHparams

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for record in RECORDS:
            for field in fields(getattr(self, record)):
                if seen.setdefault(field.name, record) != record:
                    raise ValueError(f"hparam {field.name!r} stands in both {seen[field.name]} and {record}")

    def override(self, changes: str) -> "HparamSet":
        """Return a copy with `changes` ("name=value,name=value") applied, each checked against its field's type.

        Raises UserError for a change that is no name=value, an unknown name or a value of another type.
        """
        values = {}
        for change in filter(None, changes.split(",")):
            name, equals, text = change.partition("=")
            if not equals:
                raise UserError(f"--hparams holds {change!r}; each change is name=value, joined by commas.")
            values[name.strip()] = text.strip()
        return self.with_values(values)

    def with_values(self, values: Mapping[str, Any]) -> "HparamSet":
        """Return a copy with the hparams named in `values` changed together; text is parsed by the field's type."""
        fields_of = {record: {field.name: field for field in fields(getattr(self, record))} for record in RECORDS}
        home = {name: record for record, known in fields_of.items() for name in known}
        changes: dict[str, dict[str, Any]] = {record: {} for record in RECORDS}
        for name, value in values.items():
            if name not in home:
                raise UnknownName("hparam", name, home, MULTIPROBLEM if name.startswith("multiproblem_") else "")
            record = home[name]
            changes[record][name] = _typed(name, value, fields_of[record][name].type)
        return replace(
            self, **{record: replace(getattr(self, record), **new) for record, new in changes.items() if new}
        )

    def flat(self) -> dict[str, Any]:
        """Return every hparam by name."""
        return {k: v for record in (self.body, self.training, self.data) for k, v in dataclasses.asdict(record).items()}


def _typed(name: str, value: Any, kind: Any) -> Any:
    """Return `value` as a field of type `kind` takes it: text is parsed, a whole number may stand for a float."""
    kind = getattr(kind, "__name__", kind)
    try:
        if isinstance(value, str):
            return _parse(value, kind)
        if type(value).__name__ == kind or kind not in PLAIN:
            return value
        if kind == "float" and type(value) is int:
            return float(value)
    except (ValueError, KeyError):
        pass
    raise UserError(f"hparam {name} takes a value of type {kind}; received {value!r}.")


def _parse(text: str, kind: str) -> Any:
    if kind == "bool":
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    return {"int": int, "float": float, "str": str}[kind](text)
