"""A Vision Transformer from records to answers: two problems jointly, evaluated, decoded, and on larger images."""

import io

import keras
import numpy as np
import pytest
from PIL import Image as Pillow
from small_runs import quiet_config

from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import Label
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.decoding.answers import Decoded, DecodeOptions, Failure
from t2t_mm.errors import UserError
from t2t_mm.layers.forward import Forward
from t2t_mm.problem import DEV, TRAIN, Example, Problem, Source
from t2t_mm.registry import HPARAM_SETS

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow trains", allow_module_level=True)
from t2t_mm.train.trainer import Trainer
from t2t_mm.train.warm_start import read, warm_start

pytestmark = pytest.mark.slow

CORNERS, SHADES = ("top_left", "top_right", "bottom_left", "bottom_right"), ("dark", "bright")
HPARAMS = HPARAM_SETS["vit_tiny"]().override(
    "hidden_size=32,encoder_layers=2,filter_size=64,image_size=16,image_augment=False,batch_size=512,"
    "learning_rate_schedule=constant,learning_rate=0.003,learning_rate_warmup_steps=10"
)


def picture(corner, shade):
    """A PNG of 16 x 16 pixels, grey with one square of 6 x 6 in a corner."""
    pixels_HWC = np.full((16, 16, 3), 128, "uint8")
    row, column = 10 * (corner // 2), 10 * (corner % 2)
    pixels_HWC[row : row + 6, column : column + 6] = (40, 220)[shade]
    file = io.BytesIO()
    Pillow.fromarray(pixels_HWC).save(file, "PNG")
    return file.getvalue()


class Squares(Source):
    """Pictures of squares, and what `answer` says of (corner, shade)."""

    def __init__(self, answer):
        self.answer = answer

    def splits(self, tmp_dir):
        return (TRAIN, DEV)

    def examples(self, split, tmp_dir):
        for index in range({TRAIN: 64, DEV: 8}[split]):
            corner, shade = index % 4, index // 4 % 2
            values = {"inputs": picture(corner, shade), "targets": self.answer(corner, shade)}
            yield Example(f"{split}/{index}", values)

    def present(self, tmp_dir):
        return True


class Where(Problem):
    source = Squares(lambda corner, shade: CORNERS[corner])
    inputs, targets = Image(), Label("corners", names=CORNERS)
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


class HowBright(Where):
    source = Squares(lambda corner, shade: SHADES[shade])
    targets = Label("shades", names=SHADES)


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    problems = {"where": Where, "how_bright": HowBright}
    generate(problems, folder, folder, report=lambda line: None)
    return {name: open_problem(name, problem, folder) for name, problem in problems.items()}


def trainer(squares, folder, hparams=HPARAMS, steps=80):
    return Trainer(squares, hparams, quiet_config(folder, train_steps=steps))


@pytest.fixture(scope="module")
def run(squares, tmp_path_factory):
    trained = trainer(squares, tmp_path_factory.mktemp("vit"))
    return trained, trained.train_and_evaluate().results


def test_two_problems_of_images_are_learnt_jointly(run):
    where, how_bright = run[1]
    assert where.metrics["accuracy"] == 1 and how_bright.metrics["accuracy"] == 1


def test_a_batch_counts_patches(run):
    batch = run[0].batches["where"].batch(0)
    assert batch.arrays["inputs"]["pixels"].shape == (32, 16, 16, 3)  # 512 positions, 16 patches in each picture


def test_what_it_learnt_it_answers_and_what_is_no_picture_fails_alone(run):
    values = [picture(2, 0), b"no picture", picture(1, 1)]
    first, second, third = run[0].predict("where", values, DecodeOptions())
    assert isinstance(first, Decoded) and first.text == "bottom_left"
    assert isinstance(second, Failure)
    assert isinstance(third, Decoded) and third.text == "top_right"


def test_it_goes_on_at_a_higher_resolution_from_interpolated_positions(run, squares, tmp_path):
    larger = trainer(squares, tmp_path, HPARAMS.override("image_size=24"), steps=1)
    started = warm_start(larger.net, larger.optimizer, read(run[0].output_dir)[1])
    assert started.resized == ["net/image/positions/rows"] and not started.fresh and not started.left
    pixels = np.zeros((1, 24, 24, 3), "uint8")
    assert larger.net.encode("where", {"pixels": pixels}, Forward()).values_BLD.shape == (1, 1 + 36, 32)
    assert larger.evaluate(["how_bright"], permuted=False)[0].metrics["accuracy"] == 1


def test_a_head_of_the_other_kind_starts_from_zero(run, squares, tmp_path):
    other = trainer(squares, tmp_path, HPARAMS.override("label_head=mlp"), steps=1)
    started = warm_start(other.net, other.optimizer, read(run[0].output_dir)[1])
    heads = [f"net/label_{classes}/{rest}" for classes in ("corners", "shades") for rest in ("linear/rows", "mlp/rows")]
    assert [path for path in heads if path in started.left] == heads[::2]
    assert [path for path in heads if path in started.absent] == heads[1::2]
    assert not other.net.tensors()["net/label_corners/mlp/rows"].any()


def test_a_picture_that_patches_do_not_divide_is_refused(squares, tmp_path):
    with pytest.raises(UserError, match="Patches of 4 x 4 pixels do not divide images of 18 x 18"):
        trainer(squares, tmp_path, HPARAMS.override("image_size=18"))
