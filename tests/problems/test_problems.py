"""What holds of every problem that ships with the package."""

import subprocess
import sys
from pathlib import Path

import pytest

from t2t_mm.problem import DEV, TRAIN, Feature, Problem, Source
from t2t_mm.registry import PROBLEMS

ROOT = Path(__file__).parents[2]
UCI = "banknote breast_cancer ecoli german glass ionosphere iris pima sonar wine".split()
OMNIGLOT = [name for name in PROBLEMS if name.startswith("omniglot_")]
CELEBA = [name for name in PROBLEMS if name.startswith("celeba_")]
PAIRS = [f"mnist_pair_{a}_{b}" for a in range(10) for b in range(a + 1, 10)]
COMMANDS = {
    "translate_ende_multi30k": "to-german",
    "translate_deen_multi30k": "to-english",
    "translate_enfr_multi30k": "to-french",
    "translate_fren_multi30k": "to-english",
    "translate_ende_wmt14": "to-german",
    "translate_deen_wmt14": "to-english",
    "translate_enfr_wmt14": "to-french",
    "translate_fren_wmt14": "to-english",
    "parsing_wsj": "to-parse",
    "speech_wsj": "to-english",
    "speech_librispeech": "to-english",
    "image_cifar10": "to-label",
    "image_imagenet": "to-label",
    "sequential_mnist": "to-label",
    "permuted_mnist": "to-label",
    "sequential_mnist_rows": "to-label",
    **dict.fromkeys(OMNIGLOT, "to-label"),
    **dict.fromkeys(PAIRS, "to-label"),
    **dict.fromkeys(CELEBA, "to-label"),
    **dict.fromkeys((f"uci_{name}" for name in UCI), "to-label"),
    "lm_ptb_char": "to-ptb",
    "lm_text8": "to-text8",
    "qa_cnn": "to-label",
    "qa_cnn_short": "to-label",
    "qa_squad": "to-span",
    "qa_villages": "to-span",
    "image_captions_flickr8k": "to-english",
    "image_captions_coco": "to-english",
    "speech_digits": "to-english",
    "speech_digit_strings": "to-english",
    "speech_captions": "to-english",
    "sentences_text": "to-words",
    "sentences_ptb": "to-words",
    "sentences_multi30k": "to-words",
    "word_order_ptb": "to-label",
    "word_order_multi30k": "to-label",
    "image_shapes": "to-label",
    "image_captions_shapes": "to-english",
    "speech_syllables": "to-syllables",
    "parsing_grammar": "to-parse",
    "translate_north_south": "to-south",
    "translate_south_north": "to-north",
    "translate_north_east": "to-east",
    "translate_east_north": "to-north",
}
MADE_UP = [name for name in COMMANDS if PROBLEMS[name].source.made_on_the_spot]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_problem_is_data(name):
    problem = PROBLEMS[name]
    assert issubclass(problem, Problem) and isinstance(problem.source, Source)
    assert all(isinstance(feature, Feature) for feature in problem.features().values())
    assert problem.command == COMMANDS[name]
    assert not [key for key, value in vars(problem).items() if callable(value)], "a problem has no methods"
    assert problem.__doc__ and "\n" not in problem.__doc__


def test_every_problem_of_the_table_is_looked_at():
    assert set(COMMANDS) == {name for name in PROBLEMS if PROBLEMS.address(name).startswith("t2t_mm.problems.")}


@pytest.mark.parametrize("name", MADE_UP)
def test_made_up_problems_state_their_ceiling_and_need_no_file(name, tmp_path):
    problem = PROBLEMS[name]
    assert problem.ceiling
    assert problem.source.splits(tmp_path / "nowhere") == (TRAIN, DEV)
    assert set(next(problem.source.examples(DEV, tmp_path)).values) == set(problem.features())


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in MADE_UP])
def test_a_real_corpus_that_is_not_there_is_absent(name, tmp_path):
    assert not PROBLEMS[name].source.present(tmp_path)


def test_the_folder_is_not_to_be_imported_as_plain_problems():
    result = subprocess.run([sys.executable, "-c", "import problems"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert "Import this folder as t2t_mm.problems, not as problems" in result.stderr


def test_importing_all_problems_imports_neither_tensorflow_nor_keras():
    program = (
        "import sys; from t2t_mm.registry import PROBLEMS; [PROBLEMS[name] for name in PROBLEMS]; "
        "print([name for name in ('tensorflow', 'keras', 'tensorflow_datasets') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
