"""A plugin's body passes the checks; broken in one place, it fails one check with a sentence."""

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
    """Load the plugin in tests/plugin, and remove it after the tests."""
    before = {kind: (dict(registry._address), dict(registry._items)) for kind, registry in REGISTRIES.items()}
    plugins.load([FOLDER])
    yield
    for kind, (addresses, items) in before.items():
        REGISTRIES[kind]._address, REGISTRIES[kind]._items = addresses, items
    for name in [name for name in sys.modules if name.partition(".")[0] == FOLDER.name]:
        del sys.modules[name]


@pytest.fixture
def body():
    """The plugin's body class, which tests break by replacing a method."""
    return MODELS["running_mean"]


@pytest.fixture(scope="module")
def examined(plugin):
    return subject("running_mean_tiny", problems={name: PROBLEMS[name] for name in ("translate", "write")})


@pytest.mark.parametrize("check", CHECKS)
def test_the_plugins_body_passes(check, examined):
    CHECKS[check](examined)


def test_a_plugins_modality_is_checked_on_a_batch_of_its_own():
    own = subject("running_mean_tiny", problems=READINGS, features={"say_readings": BATCH})
    for check in ("causality", "input_dependence", "padding", "batch_independence", "stepping", "losses"):
        CHECKS[check](own)
    with pytest.raises(UserError, match="no examples of the modality 'series' of say_readings: pass a batch"):
        subject("running_mean_tiny", problems=READINGS)


def looks_ahead(self, memory, target, forward):
    all_BLD = ops.sum(self._project(target.values_BLD), axis=1, keepdims=True) + ops.zeros_like(target.values_BLD)
    return target.with_values(self._mean(memory)[:, None] + all_BLD)


def forgets(self, memory, target, forward):
    return target.with_values(self._mean(memory)[:, None] + 0 * target.values_BLD)


def ignores_inputs(self, memory, target, forward):
    return target.with_values(ops.cumsum(self._project(target.values_BLD), axis=1))


def counts_pads(self, memory):
    return ops.mean(memory.values_BLD, axis=1)


def subtracts_the_batch_mean(self, source, forward):
    return source.with_values(source.values_BLD - ops.mean(source.values_BLD, axis=0, keepdims=True))


def forgets_its_state(self, state, x_B1D):
    return state["mean"][:, None] + self._project(x_B1D), state


def names_two_weights_alike(self, width):
    self.inputs_DD, self.outputs_DD = (self.add_weight(shape=(width, width), name="square") for _ in range(2))


def louder_in_bfloat16(self, memory, target, forward):
    output_BLD = ignores_inputs(self, memory, target, forward).values_BLD
    return target.with_values(output_BLD * (100 if forward.dtype == "bfloat16" else 1))


@pytest.mark.parametrize(
    ("check", "method", "broken", "message"),
    [
        ("causality", "decode", looks_ahead, "another target at position 0 changes the outputs up to that position"),
        ("causality", "decode", forgets, "does not change the output at the next: the decoder ignores it"),
        ("input_dependence", "decode", ignores_inputs, "other inputs give the same outputs"),
        ("padding", "_mean", counts_pads, "1 more pads, full of noise, change the outputs"),
        (
            "batch_independence",
            "encode",
            subtracts_the_batch_mean,
            "example 0 alone has other outputs",
        ),
        ("stepping", "step", forgets_its_state, "step 1 differs from decode at position 1"),
        ("beams", "select", lambda self, state, rows_B: state, "at step 2 rows do not continue the selected ones"),
        ("names", "build", names_two_weights_alike, "2 weights have the path net/body/square"),
        ("bfloat16", "decode", louder_in_bfloat16, "on translate: the loss is "),
    ],
)
def test_a_broken_body_fails_its_check_with_a_sentence(check, method, broken, message, body, monkeypatch):
    monkeypatch.setattr(body, method, broken)
    with pytest.raises(PromiseBroken, match=f"running_mean.*{re.escape(message)}"):
        CHECKS[check](subject("running_mean_tiny", problems=TRANSLATE))


@dataclass(frozen=True, kw_only=True)
class Forgetful:
    """A record that JSON does not keep: the tuple becomes a list."""

    hidden_size: int = 16
    taps: tuple[int, ...] = (3, 5)


def test_a_record_that_config_json_does_not_give_back_fails_the_round_trip():
    hparams = replace(HPARAM_SETS["running_mean_tiny"](), body=Forgetful())
    with pytest.raises(PromiseBroken, match="hparam taps is .3, 5., not a value of type tuple"):
        CHECKS["round_trip"](subject(hparams, problems=TRANSLATE))


def test_problems_that_a_model_refuses_are_left_out_with_the_reason_and_none_left_is_an_error():
    left = subject("vit_tiny", problems=TRANSLATE | {"name": PROBLEMS["name"]})
    assert list(left.batches) == ["name"] and "vit reads only image inputs" in left.refused["translate"]
    with pytest.raises(UserError, match="vit can learn none of the problems: The model vit cannot learn translate"):
        subject("vit_tiny", problems=TRANSLATE)


def test_the_smallest_set_of_a_model_is_found_by_its_width():
    assert smallest_set("transformer") == "transformer_tiny"
    assert smallest_set("vit") == "vit_tiny"
    with pytest.raises(UserError, match="No hparam set names the model parrot"):
        smallest_set("parrot")
