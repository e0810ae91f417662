"""The Penn Treebank's running text, character by character.

What: newspaper text in Mikolov's preparation: lower case, the 10,000 most frequent words, others `<unk>`, numbers `N`
    (Mikolov et al. 2012, "Subword language modeling with neural networks"). The line feed that ends a sentence is one
    of its 50 characters. An example is a passage of 100 characters, wherever it begins.
Splits: its own: train 50,174 passages (5,017,482 characters), valid (dev here) 3,930 (393,042), test 4,424.
Layout: `ptb/` below --tmp_dir, and in it `ptb.char.{train,valid,test}.txt` (single characters with blanks between, `_`
    for a blank), or the words, `ptb.{train,valid,test}.txt`, which spell the same text; plain or .gz. The test file may
    be missing.
Licence: LDC; see `parsing_wsj`.
Quirks: the sentences are those of the Treebank that `parsing_wsj` parses: no claim about parsing may be based on a
    model that was trained on them.
"""

from t2t_mm.data.features.characters import Characters
from t2t_mm.data.sources.first_present import FirstPresent
from t2t_mm.data.sources.running_text import LineFiles
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

LENGTH = 100
HOMEPAGE = "http://www.fit.vutbr.cz/~imikolov/rnnlm, simple-examples.tgz"


@PROBLEMS.register
class LmPtbChar(Problem):
    """Newspaper text to continue, character by character: the Penn Treebank."""

    source = FirstPresent(
        LineFiles(LENGTH, folder="ptb", stem="ptb.char", spaced=True, homepage=HOMEPAGE),
        LineFiles(LENGTH, folder="ptb", stem="ptb", homepage=HOMEPAGE),
    )
    targets = Characters("ptb")
    command = "to-ptb"
    metrics = ("neg_log_perplexity", "bits_per_character", "accuracy")
