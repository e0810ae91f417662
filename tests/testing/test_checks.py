"""A plugin's body passes the checks; broken in one place it fails the one check, with a sentence."""

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from t2t_mm import plugins
from t2t_mm.errors import UserError
from t2t_mm.feature import Port, Signature
from t2t_mm.registry import HPARAM_SETS, MODELS, REGISTRIES
from t2t_mm.testing import CHECKS, PromiseBroken, smallest_set, subject
from t2t_mm.testing.examples import PROBLEMS

FOLDER = Path(__file__).parents[1] / "plugin" / "t2t_mm_example_plugin"
TRANSLATE = {"translate": PROBLEMS["translate"]}
READINGS = {"say_readings": Signature(Port("series", "series", 0), PROBLEMS["translate"].targets, "to-readings")}
BATCH = {
    "inputs": {"values": np.array([[0.1, 0.5, 0.9], [0.7, 0.2, 0.0]], "float32"), "lengths": np.array([3, 2], "int32")},
    "targets": {"ids": np.array([[2, 5, 7], [3, 4, 1]], "int32"), "lengths": np.array([3, 2], "int32")},
}


@pytest.fixture(scope="module", autouse=True)
def plugin():
    """The package in tests/plugin, gone after the tests."""
    before = {kind: (dict(registry._address), dict(registry._items)) for kind, registry in REGISTRIES.items()}
    plugins.load([FOLDER])
    yield
    for kind, (addresses, items) in before.items():
        REGISTRIES[kind]._address, REGISTRIES[kind]._items = addresses, items
    for name in [name for name in sys.modules if name.partition(".")[0] == FOLDER.name]:
        del sys.modules[name]


@pytest.fixture
def body():
    """The plugin's body, to be broken."""
    return MODELS["running_mean"]


@pytest.fixture(scope="module")
def sound(plugin):
    return subject("running_mean_tiny", problems={name: PROBLEMS[name] for name in ("translate", "write")})


@pytest.mark.parametrize("check", CHECKS)
def test_the_plugins_body_holds_to(check, sound):
    CHECKS[check](sound)


def test_modalities_of_ones_own_are_tried_on_a_batch_of_ones_own():
    own = subject("running_mean_tiny", problems=READINGS, features={"say_readings": BATCH})
    for check in ("causality", "hearing", "padding", "company", "stepping", "losses"):
        CHECKS[check](own)
    with pytest.raises(UserError, match="no examples of 'series', which is a modality of say_readings: pass a batch"):
        subject("running_mean_tiny", problems=READINGS)


def looks_ahead(self, memory, target, forward):
    all_BLD = ops.sum(self._heard(target.values_BLD), axis=1, keepdims=True) + ops.zeros_like(target.values_BLD)
    return target.with_values(self._mean(memory)[:, None] + all_BLD)


def forgets(self, memory, target, forward):
    return target.with_values(self._mean(memory)[:, None] + 0 * target.values_BLD)


def deaf(self, memory, target, forward):
    return target.with_values(ops.cumsum(self._heard(target.values_BLD), axis=1))


def counts_pads(self, memory):
    return ops.mean(memory.values_BLD, axis=1)


def leans_on_others(self, source, forward):
    return source.with_values(source.values_BLD - ops.mean(source.values_BLD, axis=0, keepdims=True))


def starts_anew(self, state, x_B1D):
    return state["mean"][:, None] + self._heard(x_B1D), state


def built_twice_alike(self, width):
    self.read_DD, self.said_DD = (self.add_weight(shape=(width, width), name="square") for _ in range(2))


def louder_in_bfloat16(self, memory, target, forward):
    said_BLD = deaf(self, memory, target, forward).values_BLD
    return target.with_values(said_BLD * (100 if forward.dtype == "bfloat16" else 1))


@pytest.mark.parametrize(
    ("check", "method", "broken", "said"),
    [
        ("causality", "decode", looks_ahead, "with another target at position 0, what is said up to there is not the"),
        ("causality", "decode", forgets, "what is said at the next is just the same: it is not remembered"),
        ("hearing", "decode", deaf, "of other inputs it says just the same"),
        ("padding", "_mean", counts_pads, "1 more pads, full of noise, change what is said"),
        ("company", "encode", leans_on_others, "example 0 alone is not answered as it is among others"),
        ("stepping", "step", starts_anew, "step 1 says something else than decode at position 1"),
        ("beams", "select", lambda self, state, rows_B: state, "at step 2 beams do not go on where those they took"),
        ("names", "build", built_twice_alike, "2 weights have the path net/body/square"),
        ("bfloat16", "decode", louder_in_bfloat16, "on translate: in bfloat16 it loses "),
    ],
)
def test_a_body_that_is_broken_is_told_where(check, method, broken, said, body, monkeypatch):
    monkeypatch.setattr(body, method, broken)
    with pytest.raises(PromiseBroken, match=f"running_mean.*{re.escape(said)}"):
        CHECKS[check](subject("running_mean_tiny", problems=TRANSLATE))


@dataclass(frozen=True, kw_only=True)
class Forgetful:
    """A record that does not come out of a file as it went in."""

    hidden_size: int = 16
    taps: tuple[int, ...] = (3, 5)


def test_a_record_that_a_run_directory_does_not_give_back_is_told():
    hparams = replace(HPARAM_SETS["running_mean_tiny"](), body=Forgetful())
    with pytest.raises(PromiseBroken, match="hparam taps is .3, 5., not a value of type tuple"):
        CHECKS["round_trip"](subject(hparams, problems=TRANSLATE))


def test_what_a_model_refuses_is_left_out_with_the_reason_and_nothing_left_is_an_error():
    left = subject("vit_tiny", problems=TRANSLATE | {"name": PROBLEMS["name"]})
    assert list(left.batches) == ["name"] and "vit reads image alone" in left.refused["translate"]
    with pytest.raises(UserError, match="vit takes none of the problems: The model vit cannot learn translate"):
        subject("vit_tiny", problems=TRANSLATE)


def test_the_smallest_set_of_a_model_is_found_by_its_width():
    assert smallest_set("transformer") == "transformer_tiny"
    assert smallest_set("vit") == "vit_tiny"
    with pytest.raises(UserError, match="No hparam set is one of the model parrot"):
        smallest_set("parrot")
