"""Summaries of problems of every kind, from records to images."""

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.audio import Audio
from t2t_mm.data.features.audio_file import RATE, AudioClip
from t2t_mm.data.features.image import Image
from t2t_mm.data.features.references import References
from t2t_mm.data.features.text import Text
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.evaluation.fixed_example import fixed_example
from t2t_mm.models.net import Net
from t2t_mm.problem import DEV, TRAIN, Example, Problem, Source
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.summaries.activations import ActivationReader
from t2t_mm.train.summaries.problem_summary import likeliest, problem_summaries

HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=6,attention_heads=2,"
    "batch_size=64,buckets=2,image_size=32,audio_halvings=2"
)


class Made(Source):
    """A source of a few examples, each `inputs(n)` with `targets`."""

    def __init__(self, inputs, targets):
        self.inputs, self.targets = inputs, targets

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return (TRAIN, DEV)

    def examples(self, split, tmp_dir):
        for n in range(6):
            inputs = {} if self.inputs is None else {"inputs": self.inputs(n)}
            yield Example(f"{split}/{n}", {**inputs, "targets": self.targets})

    def present(self, tmp_dir):
        return True


def png(n):
    file = io.BytesIO()
    Pillow.new("RGB", (40, 30), (40 * n, 200, 0)).save(file, "PNG")
    return file.getvalue()


def tone(n):
    return AudioClip((np.sin(np.arange(RATE // 4) * (0.1 + 0.02 * n)) * 9000).astype(np.int16), RATE)


class Captions(Problem):
    source = Made(png, ("a green field", "grass", "a meadow"))
    inputs, targets = Image(), References("letters")


class Speech(Problem):
    source = Made(tone, "one two")
    inputs, targets = Audio(), Text("letters")


class Waveform(Speech):
    inputs = Audio("waveform")


class Language(Problem):
    source = Made(None, "once upon a time")
    targets = Text("letters")


@pytest.fixture(scope="module")
def ready(letters, tmp_path_factory):
    """Return problems of all kinds by name."""
    folder = tmp_path_factory.mktemp("kinds")
    kinds = {"captions": Captions, "speech": Speech, "waveform": Waveform, "language": Language}
    generate(kinds, folder, folder, report=lambda line: None)
    return {**letters, **{name: open_problem(name, problem, folder) for name, problem in kinds.items()}}


@pytest.fixture(scope="module")
def show(ready, scrambled):
    """Return a function that makes the summaries of a problem, by a net for it alone of the changed hparams."""

    @cache
    def reader(name, changes):
        hparams = HPARAMS.override(changes)
        net = Net({name: ready[name].signature}, hparams)
        net.build()
        return ActivationReader(scrambled(net), hparams.data)

    return lambda name, changes="": problem_summaries(reader(name, changes), ready[name], fixed_example(ready[name]))


def test_a_text_problem_has_a_card_two_attention_images_and_loads_of_experts(show, ready):
    shown = show("capitals")
    assert sorted(shown.images) == [
        "examples-capitals/attention",
        "examples-capitals/attention_by_layer",
        "experts-capitals/importance",
        "experts-capitals/load",
    ]
    card = shown.texts["examples-capitals/card"]
    assert [what for what, _ in card] == ["example", "input", "output", "right"]
    texts = dict(card)
    assert texts["example"] == fixed_example(ready["capitals"]).id
    assert texts["right"] == texts["input"].upper()
    layers = [f"experts-capitals/{side}/experts" for side in ("encoder", "decoder")]
    assert sorted(shown.scalars) == sorted(
        f"{layer}/{figure}" for layer in layers for figure in ("busiest", "variation", "importance_variation")
    )
    assert all(1 / 4 <= shown.scalars[f"{layer}/busiest"] <= 1 for layer in layers)
    for figure in ("variation", "importance_variation"):
        assert all(0 <= shown.scalars[f"{layer}/{figure}"] <= 3**0.5 for layer in layers)


def test_a_problem_of_classes_has_their_probabilities_and_no_attention(show):
    shown = show("first")
    assert list(shown.images) == ["experts-first/load", "experts-first/importance"]
    [output] = [text for what, text in shown.texts["examples-first/card"] if what == "output"]
    shares = {part.split()[0]: float(part.split()[1].rstrip("%")) for part in output.split(", ")}
    assert sorted(shares) == list("abcd")
    assert sum(shares.values()) == pytest.approx(100, abs=0.3)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


@pytest.mark.slow
def test_an_image_is_shown_with_every_reference(show, ready):
    shown = show("captions")
    colours = np.asarray(shown.images["examples-captions/input"])
    number = int(fixed_example(ready["captions"]).id.removeprefix("dev/"))
    assert colours.shape == (224, 224, 3) and (colours == (40 * number, 200, 0)).all()
    card = shown.texts["examples-captions/card"]
    assert [text for what, text in card if what == "right"] == ["a green field", "grass", "a meadow"]
    assert ("input", "an image of 32x32x3") in card
    assert {"examples-captions/attention", "examples-captions/attention_by_layer"} < set(shown.images)


@pytest.mark.parametrize("name", ["speech", pytest.param("waveform", marks=pytest.mark.slow)])
def test_an_audio_clip_is_shown_with_its_spectrogram(show, name):
    shown = show(name)
    assert {f"examples-{name}/input", f"examples-{name}/attention", f"experts-{name}/load"} < set(shown.images)
    assert ("input", "an audio clip of 0.2 s") in shown.texts[f"examples-{name}/card"]


def test_a_problem_without_inputs_has_its_output_alone(show):
    shown = show("language")
    assert [what for what, _ in shown.texts["examples-language/card"]] == ["example", "output", "right"]
    assert list(shown.images) == ["experts-language/load", "experts-language/importance"]


def test_without_attention_and_experts_there_is_the_card_alone(show):
    shown = show("capitals", "attention=False,experts=0")
    assert list(shown.texts) == ["examples-capitals/card"]
    assert not shown.images and not shown.scalars


def test_equal_weights_give_equal_images(show):
    one, other = show("capitals"), show("capitals")
    assert one.texts == other.texts and one.scalars == other.scalars
    for tag, image in one.images.items():
        assert image.tobytes() == other.images[tag].tobytes()


def test_no_more_than_five_classes_are_named_the_likeliest_first(ready):
    codec = ready["first"].codecs["targets"]
    assert (
        likeliest(codec, [np.array([0.1, 0.6, 0.1, 0.2])], None, HPARAMS.data) == "b 60.0%, d 20.0%, a 10.0%, c 10.0%"
    )


def test_weights_that_are_not_finite_are_shown_too(ready):
    net = Net({"capitals": ready["capitals"].signature}, HPARAMS)
    net.build()
    for weight in net.trainable_variables:
        weight.assign(np.full(weight.shape, np.nan))
    shown = problem_summaries(ActivationReader(net, HPARAMS.data), ready["capitals"], fixed_example(ready["capitals"]))
    assert len(shown.texts) == 1 and len(shown.images) == 4
