"""Multi30k: image descriptions in English, German and French.

What: one sentence an image of Flickr30K, written in English and translated by people (Elliott et al. 2016,
    arXiv 1605.00459; French: Elliott et al. 2017, arXiv 1710.07177). Short, concrete sentences, about 12 words.
Size: train 29,000 sentences in each language, val 1,014, which are dev here; test_2016_flickr, if there is one,
    1,000.
Layout: `multi30k/{train,val}.{en,de,fr}` below --tmp_dir, plain or .gz, as in `data/task1/raw` of its repository.
Licence: for research and education, not for commerce; derived from Flickr30K.
Quirks: untokenised; quotation marks and dashes are not written consistently.
"""

from t2t_mm.data.features.text import Text
from t2t_mm.data.sources.parallel_text import ParallelText
from t2t_mm.problem import DEV, TEST, TRAIN, Problem
from t2t_mm.registry import PROBLEMS

STEMS = {TRAIN: "train", DEV: "val", TEST: "test_2016_flickr"}
HOMEPAGE = "https://github.com/multi30k/dataset"
EN_DE = ParallelText("multi30k", inputs="en", targets="de", stems=STEMS, homepage=HOMEPAGE)
EN_FR = ParallelText("multi30k", inputs="en", targets="fr", stems=STEMS, homepage=HOMEPAGE)


class Multi30k(Problem):
    """A description in one language to the same in another, in subwords that all languages share."""

    inputs = targets = Text()
    decoded_metrics = ("bleu", "chrf")


@PROBLEMS.register
class TranslateEndeMulti30k(Multi30k):
    """English to German image descriptions, 29,000 pairs."""

    source = EN_DE
    command = "to-german"


@PROBLEMS.register
class TranslateDeenMulti30k(Multi30k):
    """German to English image descriptions, 29,000 pairs."""

    source = EN_DE.reversed()
    command = "to-english"


@PROBLEMS.register
class TranslateEnfrMulti30k(Multi30k):
    """English to French image descriptions, 29,000 pairs."""

    source = EN_FR
    command = "to-french"


@PROBLEMS.register
class TranslateFrenMulti30k(Multi30k):
    """French to English image descriptions, 29,000 pairs."""

    source = EN_FR.reversed()
    command = "to-english"
