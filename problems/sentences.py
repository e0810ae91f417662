"""Raw text with one sentence on each line, for pre-training, and for classifying the order of words.

What: pairs of sentences with masked words; the second one is the next of its text or a random one (Devlin et al.
    2018, arXiv 1810.04805). `word_order_*` are sentences to classify: as they were, or two neighbouring words swapped.
    A pair, and a swap, is drawn by the line's number, so that every machine makes the same ones.
Splits: those of the files.
Layout, below --tmp_dir, plain or .gz: `text/{train,dev,test}.txt` for any text (UTF-8, a sentence a line, an empty line
    between documents); `ptb/ptb.{train,valid,test}.txt`; `multi30k/{train,val,test_2016_flickr}.en`. Test files may be
    missing.
Licence: LDC for the Penn Treebank, see `parsing_wsj`; for Multi30k research and education.
Quirks: Multi30k's lines describe images that have nothing to do with each other, so the prediction of the next sentence
    cannot be learnt there. The Treebank's articles run into one another.
"""

from t2t_mm.data.features.label import Label
from t2t_mm.data.features.masked_sentences import MaskedSentences, MaskedWords
from t2t_mm.data.features.sentences import Sentences
from t2t_mm.data.sources.sentence_files import KEPT, SWAPPED, SentenceFiles, SwappedWords
from t2t_mm.problem import DEV, TEST, TRAIN, Problem
from t2t_mm.registry import PROBLEMS

PTB = {TRAIN: "ptb.train.txt", DEV: "ptb.valid.txt", TEST: "ptb.test.txt"}
MULTI30K = {TRAIN: "train.en", DEV: "val.en", TEST: "test_2016_flickr.en"}
PTB_HOME = "http://www.fit.vutbr.cz/~imikolov/rnnlm, simple-examples.tgz"
MULTI30K_HOME = "https://github.com/multi30k/dataset"


class MaskedPairs(Problem):
    """Masked words to predict, and if the second sentence is the next one."""

    inputs = MaskedSentences()
    targets = MaskedWords()
    command = "to-words"
    metrics = ("neg_log_perplexity", "accuracy_of_rest", "accuracy_of_first")


@PROBLEMS.register
class SentencesText(MaskedPairs):
    """Any text of your own, a sentence a line: masked words to predict, and if the second sentence is the next one."""

    source = SentenceFiles("text", {TRAIN: "train.txt", DEV: "dev.txt", TEST: "test.txt"})


@PROBLEMS.register
class SentencesPtb(MaskedPairs):
    """Newspaper sentences: masked words to predict, and if the second one is the next: the Penn Treebank."""

    source = SentenceFiles("ptb", PTB, PTB_HOME)


@PROBLEMS.register
class SentencesMulti30k(MaskedPairs):
    """English image descriptions: masked words to predict: Multi30k."""

    source = SentenceFiles("multi30k", MULTI30K, MULTI30K_HOME)


class WordOrder(Problem):
    """Sentences to "kept", or "swapped" if two neighbouring words are swapped."""

    inputs = Sentences()
    targets = Label("word_order", names=(KEPT, SWAPPED))
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


@PROBLEMS.register
class WordOrderPtb(WordOrder):
    """Newspaper sentences in which two words are swapped, or not: the Penn Treebank."""

    source = SwappedWords("ptb", PTB, PTB_HOME)


@PROBLEMS.register
class WordOrderMulti30k(WordOrder):
    """English image descriptions in which two words are swapped, or not: Multi30k."""

    source = SwappedWords("multi30k", MULTI30K, MULTI30K_HOME)
