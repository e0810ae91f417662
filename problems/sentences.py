"""Raw text with a sentence a line: to pre-train on, and to tell whether its words are in order.

What: pairs of sentences in which words are hidden, the second one the next of its text or any other (Devlin et al.
    2018, arXiv 1810.04805). `word_order_*` are sentences to classify: as they were, or two neighbouring words swapped.
    A pair, and a swap, is drawn by the line's number, so that every machine makes the same ones.
Splits: those of the files.
Layout, below --tmp_dir, plain or .gz: `text/{train,dev,test}.txt` for any text (UTF-8, a sentence a line, an empty line
    between documents); `ptb/ptb.{train,valid,test}.txt`; `multi30k/{train,val,test_2016_flickr}.en`. Test files may be
    missing.
Licence: LDC for the Penn Treebank, see `parsing_wsj`; for Multi30k research and education.
Quirks: Multi30k's lines describe pictures that have nothing to do with each other, so whether one is the next cannot be
    learnt there. The Treebank's articles run into one another.
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
    """Hidden words to fill in, and whether the second sentence is the next."""

    inputs = MaskedSentences()
    targets = MaskedWords()
    command = "to-words"
    metrics = ("neg_log_perplexity", "accuracy_of_rest", "accuracy_of_first")


@PROBLEMS.register
class SentencesText(MaskedPairs):
    """Any text of one's own, a sentence a line, to fill in and to tell what comes next."""

    source = SentenceFiles("text", {TRAIN: "train.txt", DEV: "dev.txt", TEST: "test.txt"})


@PROBLEMS.register
class SentencesPtb(MaskedPairs):
    """Newspaper sentences to fill in and to tell what comes next: the Penn Treebank."""

    source = SentenceFiles("ptb", PTB, PTB_HOME)


@PROBLEMS.register
class SentencesMulti30k(MaskedPairs):
    """English picture descriptions to fill in: Multi30k."""

    source = SentenceFiles("multi30k", MULTI30K, MULTI30K_HOME)


class WordOrder(Problem):
    """Whether a sentence is as it was written."""

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
    """English picture descriptions in which two words are swapped, or not: Multi30k."""

    source = SwappedWords("multi30k", MULTI30K, MULTI30K_HOME)
