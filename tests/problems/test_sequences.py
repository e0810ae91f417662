"""The problems that are read or written as long sequences, generated from the files that their users have."""

import gzip

import numpy as np
import pytest

from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.scan import permutation
from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.feature import Port
from t2t_mm.hparam_set import DataHparams
from t2t_mm.problem import DEV, TEST
from t2t_mm.registry import PROBLEMS


def ready(name, tmp_path):
    generate({name: PROBLEMS[name]}, tmp_path / "data", tmp_path, report=lambda line: None)
    return open_problem(name, PROBLEMS[name], tmp_path / "data")


@pytest.fixture
def mnist(tmp_path):
    """Twelve images to train and evaluate on, seven to test on, packed as MNIST's makers pack them."""
    rng, folder = np.random.default_rng(0), tmp_path / "mnist"
    folder.mkdir()
    images = {
        "train": rng.integers(0, 256, (12, 28, 28), np.uint8),
        "t10k": rng.integers(0, 256, (7, 28, 28), np.uint8),
    }
    for stem, images_NHW in images.items():
        head = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in images_NHW.shape)
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + images_NHW.tobytes()))
        classes_N = np.arange(len(images_NHW), dtype=np.uint8) % 10
        head = bytes([0, 0, 8, 1]) + len(classes_N).to_bytes(4, "big")
        (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(head + classes_N.tobytes()))
    return images["train"]


@pytest.mark.parametrize(
    ("name", "shape"),
    [("sequential_mnist", (784, 1)), ("permuted_mnist", (784, 1)), ("sequential_mnist_rows", (28, 28))],
)
def test_mnist_is_read_pixel_by_pixel_permuted_or_row_by_row(name, shape, mnist, tmp_path):
    problem = ready(name, tmp_path)
    assert {split: actual.examples for split, actual in problem.manifest.splits.items()} == {
        "train": 10,
        DEV: 2,
        TEST: 7,
    }
    batch = Batches(problem, DEV, DataHparams(batch_size=4 * 784), 0, training=False).batch(0)
    flat_L = mnist[int(batch.ids[0].removeprefix("train/"))].reshape(-1)
    right = flat_L[permutation("permuted_mnist", 784)] if name == "permuted_mnist" else flat_L
    np.testing.assert_array_equal(batch.arrays["inputs"]["values"][0], right.reshape(shape))
    assert batch.arrays["inputs"]["lengths"][:2].tolist() == [shape[0]] * 2
    assert problem.codecs["targets"].names == tuple("0123456789")


def test_a_pair_of_digits_is_read_as_one_vector_and_has_no_other_digit(mnist, tmp_path):
    problem = ready("mnist_pair_0_1", tmp_path)  # digits 0 to 9, 0, 1 to train and evaluate on, the last two in dev
    assert {split: actual.examples for split, actual in problem.manifest.splits.items()} == {
        "train": 2,
        DEV: 2,
        TEST: 2,
    }
    batch = Batches(problem, DEV, DataHparams(batch_size=4), 0, training=False).batch(0)
    place = int(batch.ids[0].removeprefix("train/"))
    np.testing.assert_allclose(batch.arrays["inputs"]["values"][0], mnist[place].reshape(-1) / 255, rtol=1e-6)
    assert batch.arrays["targets"]["class"][0] == place % 10 and problem.codecs["targets"].names == ("0", "1")
    assert problem.signature.inputs == Port("vector", "vector_mnist_pair_0_1", 784)


def test_the_treebanks_text_is_cut_into_passages_of_a_hundred_characters(tmp_path):
    (tmp_path / "ptb").mkdir()
    for split, lines in (("train", 30), ("valid", 10)):
        text = " no it was n't black monday \n" * lines
        (tmp_path / "ptb" / f"ptb.{split}.txt.gz").write_bytes(gzip.compress(text.encode()))
    problem = ready("lm_ptb_char", tmp_path)
    line = "no it was n't black monday\n"
    assert problem.manifest.splits["train"].examples == 30 * len(line) // 100
    batch = Batches(problem, DEV, DataHparams(), 0, training=False).batch(0)
    assert batch.arrays["targets"]["lengths"].tolist()[:2] == [100, 100]
    codec = problem.codecs["targets"]
    texts = dict(
        zip(batch.ids, (codec.alphabet.decode(ids.tolist()) for ids in batch.arrays["targets"]["ids"]), strict=False)
    )
    assert texts["dev/0"] == (line * 10)[:100]
    assert codec.port.size == 3 + len(set(line))


def test_text8_is_cut_into_passages_of_180_characters(tmp_path):
    (tmp_path / "text8").write_text(" anarchism originated as a term of abuse" * 200)
    problem = ready("lm_text8", tmp_path)
    sizes = {split: actual.examples for split, actual in problem.manifest.splits.items()}
    assert sizes == {"train": 40, DEV: 2, TEST: 2}  # 7,200, 400 and 400 of 8,000 characters
    assert problem.codecs["targets"].measured(180) == "180 characters"


def test_cnn_questions_are_read_whole_or_as_four_sentences(tmp_path):
    for folder in ("training", "validation"):
        (tmp_path / "cnn" / "questions" / folder).mkdir(parents=True)
        for number in range(6):
            document = f"{'it rained . ' * 5}@entity{number} met @entity9 ."
            content = f"http://x\n\n{document}\n\n@placeholder met @entity9\n\n@entity{number}\n\n@entity9:Ada\n"
            (tmp_path / "cnn" / "questions" / folder / f"{number}.question").write_text(content)
    for name, words in (("qa_cnn", 19), ("qa_cnn_short", 13)):
        problem = ready(name, tmp_path)
        batch = Batches(problem, DEV, DataHparams(), 0, training=False).batch(0)
        assert batch.arrays["inputs"]["lengths"][:6].tolist() == [words] * 6
        numbers = [int(one.removeprefix("dev/")) for one in batch.ids]
        assert batch.arrays["targets"]["class"][:6].tolist() == numbers
        assert problem.codecs["targets"].port.size == 1000
