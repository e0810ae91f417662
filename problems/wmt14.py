"""WMT 2014: the European Parliament, newspapers and the web, in English and German or French.

What: sentence pairs of the shared translation task of 2014 (Bojar et al. 2014). English and German: Europarl v7, Common
    Crawl and News Commentary v9; English and French: those, the United Nations (2000) and Gigaword fr-en, too.
Splits: newstest2013 is dev, newstest2014 is test, here all 3,003 pairs of it (sacreBLEU's `wmt14/full`).
Size: German 4.5 million pairs, French 40.8 million; dev 3,000, test 3,003.
Layout, below --tmp_dir, the first that is there: `wmt14_ende/` (or `wmt14_enfr/`) with `train.{en,de}` (or
    `.{en,fr}`), `newstest2013.*`, also named `dev.*`, `valid.*` or `val.*`, and, where there is a test part,
    `newstest2014.*` or `test.*`, a sentence a line, plain or .gz; the TFDS data set `wmt14_translate/de-en` (or
    `fr-en`) in `tensorflow_datasets/`, which --generate_data and t2t-mm-datagen download: 1.7 GB for German, 6.7 GB
    for French.
Licence: none of the whole; each part has terms of its own. For research.
Quirks: Common Crawl is noisy: wrong languages and pairs that are none. To prepare the French pairs, TFDS reads Gigaword
    whole, which takes over 10 GB of memory; the plain files take none. Both directions of a pair read the same lines.
"""

from t2t_mm.data.features.text import Text
from t2t_mm.data.sources.first_present import FirstPresent
from t2t_mm.data.sources.parallel_text import ParallelText, Stems
from t2t_mm.data.sources.tfds import Line, Tfds
from t2t_mm.problem import DEV, TEST, TRAIN, Problem
from t2t_mm.registry import PROBLEMS

STEMS: Stems = {TRAIN: "train", DEV: ("newstest2013", "dev", "valid", "val"), TEST: ("newstest2014", "test")}
HOMEPAGE = "https://www.statmt.org/wmt14/translation-task.html"

EN_DE = ParallelText("wmt14_ende", inputs="en", targets="de", stems=STEMS, homepage=HOMEPAGE)
EN_FR = ParallelText("wmt14_enfr", inputs="en", targets="fr", stems=STEMS, homepage=HOMEPAGE)
TFDS_EN_DE = Tfds(
    "wmt14_translate/de-en",
    inputs=Line("en"),
    targets=Line("de"),
    dev="validation",
    test="test",
    download=1_695_017_123,
)
TFDS_EN_FR = Tfds(
    "wmt14_translate/fr-en",
    inputs=Line("en"),
    targets=Line("fr"),
    dev="validation",
    test="test",
    download=6_655_754_089,
)


class Wmt14(Problem):
    """A sentence in one language to its translation, in subwords that all languages share."""

    inputs = targets = Text()
    decoded_metrics = ("bleu", "chrf")


@PROBLEMS.register
class TranslateEndeWmt14(Wmt14):
    """English to German: WMT 2014, 4.5 million pairs."""

    source = FirstPresent(EN_DE, TFDS_EN_DE)
    command = "to-german"


@PROBLEMS.register
class TranslateDeenWmt14(Wmt14):
    """German to English: WMT 2014, 4.5 million pairs."""

    source = FirstPresent(EN_DE.reversed(), TFDS_EN_DE.reversed())
    command = "to-english"


@PROBLEMS.register
class TranslateEnfrWmt14(Wmt14):
    """English to French: WMT 2014, 40.8 million pairs."""

    source = FirstPresent(EN_FR, TFDS_EN_FR)
    command = "to-french"


@PROBLEMS.register
class TranslateFrenWmt14(Wmt14):
    """French to English: WMT 2014, 40.8 million pairs."""

    source = FirstPresent(EN_FR.reversed(), TFDS_EN_FR.reversed())
    command = "to-english"
