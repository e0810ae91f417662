"""The Wall Street Journal part of the Penn Treebank: newspaper sentences and their parse trees.

What: Marcus et al. 1993, Computational Linguistics 19(2). The inputs are the Treebank's own tokens joined by blanks
    (`do n't`, `-LRB-` for a bracket); the targets are trees without traces and function tags.
Splits: sections 02-21 train, 22 dev, 23 test, if the full corpus is present; missing sections are named.
    The free sample that comes with NLTK has sections 00 and 01 only; of it, wsj_0160 and up is dev, and what is below
    trains.
Size: full: 39,832 / 1,700 / 2,416 trees. Sample: 199 files, 3,914 trees; a copy that ends at wsj_0179
    has 3,396 to train on and 273 for dev.
Layout: `treebank/` below --tmp_dir, and in it `combined/wsj_0001.mrg` and so on (NLTK), or `wsj/00/wsj_0001.mrg`,
    `parsed/mrg/wsj/00/wsj_0001.mrg` and so on (LDC; below `treebank_3/`, too), or the section folders themselves.
Licence: LDC (LDC99T42, LDC95T7); the sample is for non-commercial use, see its README.
Quirks: no token carries its original spacing, so a sentence to parse must be tokenised in the Treebank's way. Text that
    overlaps (the Treebank's language modelling text, for one) must stay out of training when parsing is evaluated.
"""

from t2t_mm.data.features.text import Text
from t2t_mm.data.features.tree import Tree
from t2t_mm.data.sources.treebank import Treebank
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS


@PROBLEMS.register
class ParsingWsj(Problem):
    """Newspaper sentences to parse trees: the Penn Treebank, or the free sample of it."""

    source = Treebank(
        "treebank",
        homepage="the LDC, https://catalog.ldc.upenn.edu/LDC99T42; a free sample is NLTK's corpus `treebank`",
    )
    inputs = Text()
    targets = Tree()
    command = "to-parse"
    decoded_metrics = ("bracket_f1", "bracket_f1_right_tags", "exact_match", "well_formed")
