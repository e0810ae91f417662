"""Every registered model passes the checks of bodies, in each of its forms."""

import pytest

from t2t_mm.registry import MODELS
from t2t_mm.testing import CHECKS, smallest_set, subject

FORMS = {  # changes of the smallest set, each checked besides the set itself
    "multimodel": ("mixing=blocks,experts=0", "attention=false", "experts=0,attention=false"),
    "transformer": ("norm=pre", "positions=learned,max_positions=7", "encoder_layers=0"),
    "conformer": ("way_out=ctc",),
    "bn_lstm": ("batch_norm=false", "encoder_layers=0", "attentive=true,attention_norm=true,bidirectional=true"),
    "soft_ordering": ("ordering=permuted", "ordering=parallel", "ordering=single", "core=conv"),
    "vit": ("label_head=mlp",),
    "bert": ("label_head=mlp",),
}
OF_BODIES = ("causality", "input_dependence", "padding", "batch_independence", "stepping", "beams")


@pytest.fixture(scope="module", params=MODELS)
def smallest(request):
    return subject(smallest_set(request.param))


@pytest.mark.parametrize("check", [pytest.param(c, marks=pytest.mark.slow) if c == "bfloat16" else c for c in CHECKS])
def test_every_model_passes(check, smallest):
    CHECKS[check](smallest)


@pytest.fixture(scope="module", params=[(model, changes) for model in FORMS for changes in FORMS[model]], ids=" ".join)
def form(request):
    model, changes = request.param
    return subject(smallest_set(model), changes)


@pytest.mark.slow
@pytest.mark.parametrize("check", OF_BODIES)
def test_each_form_of_a_model_passes(check, form):
    CHECKS[check](form)


def test_forms_are_those_of_registered_models():
    assert set(FORMS) <= set(MODELS)
