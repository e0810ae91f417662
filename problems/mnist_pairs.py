"""Pairs of MNIST's digits, 45 problems: which of two digits a picture is (arXiv 1711.00108, section 5.1).

What, layout, licence: see mnist.py. Tasks that are alike, but for which of the digits they ask.
Splits: MNIST's, of the two digits alone: about 10,000 pictures of the first 50,000 to train.
Quirks: pixels are read as a vector; every pair has an encoder of its own.
"""

from t2t_mm.data.label import Label
from t2t_mm.data.pixels import Pixels
from t2t_mm.data.sources.among import Among
from t2t_mm.problem import Problem
from t2t_mm.problems.mnist import Mnist
from t2t_mm.registry import PROBLEMS


class Pair(Problem):
    """A picture of one of two digits to which it is."""

    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


@PROBLEMS.register(name="mnist_pair_0_1")
class MnistPair01(Pair):
    """Handwritten digits that are 0 or 1, to which."""

    source = Among(Mnist.source, ("0", "1"))
    inputs = Pixels("mnist_pair_0_1", 28, 28)
    targets = Label(classes="mnist_pair_0_1", names=("0", "1"))


@PROBLEMS.register(name="mnist_pair_0_2")
class MnistPair02(Pair):
    """Handwritten digits that are 0 or 2, to which."""

    source = Among(Mnist.source, ("0", "2"))
    inputs = Pixels("mnist_pair_0_2", 28, 28)
    targets = Label(classes="mnist_pair_0_2", names=("0", "2"))


@PROBLEMS.register(name="mnist_pair_0_3")
class MnistPair03(Pair):
    """Handwritten digits that are 0 or 3, to which."""

    source = Among(Mnist.source, ("0", "3"))
    inputs = Pixels("mnist_pair_0_3", 28, 28)
    targets = Label(classes="mnist_pair_0_3", names=("0", "3"))


@PROBLEMS.register(name="mnist_pair_0_4")
class MnistPair04(Pair):
    """Handwritten digits that are 0 or 4, to which."""

    source = Among(Mnist.source, ("0", "4"))
    inputs = Pixels("mnist_pair_0_4", 28, 28)
    targets = Label(classes="mnist_pair_0_4", names=("0", "4"))


@PROBLEMS.register(name="mnist_pair_0_5")
class MnistPair05(Pair):
    """Handwritten digits that are 0 or 5, to which."""

    source = Among(Mnist.source, ("0", "5"))
    inputs = Pixels("mnist_pair_0_5", 28, 28)
    targets = Label(classes="mnist_pair_0_5", names=("0", "5"))


@PROBLEMS.register(name="mnist_pair_0_6")
class MnistPair06(Pair):
    """Handwritten digits that are 0 or 6, to which."""

    source = Among(Mnist.source, ("0", "6"))
    inputs = Pixels("mnist_pair_0_6", 28, 28)
    targets = Label(classes="mnist_pair_0_6", names=("0", "6"))


@PROBLEMS.register(name="mnist_pair_0_7")
class MnistPair07(Pair):
    """Handwritten digits that are 0 or 7, to which."""

    source = Among(Mnist.source, ("0", "7"))
    inputs = Pixels("mnist_pair_0_7", 28, 28)
    targets = Label(classes="mnist_pair_0_7", names=("0", "7"))


@PROBLEMS.register(name="mnist_pair_0_8")
class MnistPair08(Pair):
    """Handwritten digits that are 0 or 8, to which."""

    source = Among(Mnist.source, ("0", "8"))
    inputs = Pixels("mnist_pair_0_8", 28, 28)
    targets = Label(classes="mnist_pair_0_8", names=("0", "8"))


@PROBLEMS.register(name="mnist_pair_0_9")
class MnistPair09(Pair):
    """Handwritten digits that are 0 or 9, to which."""

    source = Among(Mnist.source, ("0", "9"))
    inputs = Pixels("mnist_pair_0_9", 28, 28)
    targets = Label(classes="mnist_pair_0_9", names=("0", "9"))


@PROBLEMS.register(name="mnist_pair_1_2")
class MnistPair12(Pair):
    """Handwritten digits that are 1 or 2, to which."""

    source = Among(Mnist.source, ("1", "2"))
    inputs = Pixels("mnist_pair_1_2", 28, 28)
    targets = Label(classes="mnist_pair_1_2", names=("1", "2"))


@PROBLEMS.register(name="mnist_pair_1_3")
class MnistPair13(Pair):
    """Handwritten digits that are 1 or 3, to which."""

    source = Among(Mnist.source, ("1", "3"))
    inputs = Pixels("mnist_pair_1_3", 28, 28)
    targets = Label(classes="mnist_pair_1_3", names=("1", "3"))


@PROBLEMS.register(name="mnist_pair_1_4")
class MnistPair14(Pair):
    """Handwritten digits that are 1 or 4, to which."""

    source = Among(Mnist.source, ("1", "4"))
    inputs = Pixels("mnist_pair_1_4", 28, 28)
    targets = Label(classes="mnist_pair_1_4", names=("1", "4"))


@PROBLEMS.register(name="mnist_pair_1_5")
class MnistPair15(Pair):
    """Handwritten digits that are 1 or 5, to which."""

    source = Among(Mnist.source, ("1", "5"))
    inputs = Pixels("mnist_pair_1_5", 28, 28)
    targets = Label(classes="mnist_pair_1_5", names=("1", "5"))


@PROBLEMS.register(name="mnist_pair_1_6")
class MnistPair16(Pair):
    """Handwritten digits that are 1 or 6, to which."""

    source = Among(Mnist.source, ("1", "6"))
    inputs = Pixels("mnist_pair_1_6", 28, 28)
    targets = Label(classes="mnist_pair_1_6", names=("1", "6"))


@PROBLEMS.register(name="mnist_pair_1_7")
class MnistPair17(Pair):
    """Handwritten digits that are 1 or 7, to which."""

    source = Among(Mnist.source, ("1", "7"))
    inputs = Pixels("mnist_pair_1_7", 28, 28)
    targets = Label(classes="mnist_pair_1_7", names=("1", "7"))


@PROBLEMS.register(name="mnist_pair_1_8")
class MnistPair18(Pair):
    """Handwritten digits that are 1 or 8, to which."""

    source = Among(Mnist.source, ("1", "8"))
    inputs = Pixels("mnist_pair_1_8", 28, 28)
    targets = Label(classes="mnist_pair_1_8", names=("1", "8"))


@PROBLEMS.register(name="mnist_pair_1_9")
class MnistPair19(Pair):
    """Handwritten digits that are 1 or 9, to which."""

    source = Among(Mnist.source, ("1", "9"))
    inputs = Pixels("mnist_pair_1_9", 28, 28)
    targets = Label(classes="mnist_pair_1_9", names=("1", "9"))


@PROBLEMS.register(name="mnist_pair_2_3")
class MnistPair23(Pair):
    """Handwritten digits that are 2 or 3, to which."""

    source = Among(Mnist.source, ("2", "3"))
    inputs = Pixels("mnist_pair_2_3", 28, 28)
    targets = Label(classes="mnist_pair_2_3", names=("2", "3"))


@PROBLEMS.register(name="mnist_pair_2_4")
class MnistPair24(Pair):
    """Handwritten digits that are 2 or 4, to which."""

    source = Among(Mnist.source, ("2", "4"))
    inputs = Pixels("mnist_pair_2_4", 28, 28)
    targets = Label(classes="mnist_pair_2_4", names=("2", "4"))


@PROBLEMS.register(name="mnist_pair_2_5")
class MnistPair25(Pair):
    """Handwritten digits that are 2 or 5, to which."""

    source = Among(Mnist.source, ("2", "5"))
    inputs = Pixels("mnist_pair_2_5", 28, 28)
    targets = Label(classes="mnist_pair_2_5", names=("2", "5"))


@PROBLEMS.register(name="mnist_pair_2_6")
class MnistPair26(Pair):
    """Handwritten digits that are 2 or 6, to which."""

    source = Among(Mnist.source, ("2", "6"))
    inputs = Pixels("mnist_pair_2_6", 28, 28)
    targets = Label(classes="mnist_pair_2_6", names=("2", "6"))


@PROBLEMS.register(name="mnist_pair_2_7")
class MnistPair27(Pair):
    """Handwritten digits that are 2 or 7, to which."""

    source = Among(Mnist.source, ("2", "7"))
    inputs = Pixels("mnist_pair_2_7", 28, 28)
    targets = Label(classes="mnist_pair_2_7", names=("2", "7"))


@PROBLEMS.register(name="mnist_pair_2_8")
class MnistPair28(Pair):
    """Handwritten digits that are 2 or 8, to which."""

    source = Among(Mnist.source, ("2", "8"))
    inputs = Pixels("mnist_pair_2_8", 28, 28)
    targets = Label(classes="mnist_pair_2_8", names=("2", "8"))


@PROBLEMS.register(name="mnist_pair_2_9")
class MnistPair29(Pair):
    """Handwritten digits that are 2 or 9, to which."""

    source = Among(Mnist.source, ("2", "9"))
    inputs = Pixels("mnist_pair_2_9", 28, 28)
    targets = Label(classes="mnist_pair_2_9", names=("2", "9"))


@PROBLEMS.register(name="mnist_pair_3_4")
class MnistPair34(Pair):
    """Handwritten digits that are 3 or 4, to which."""

    source = Among(Mnist.source, ("3", "4"))
    inputs = Pixels("mnist_pair_3_4", 28, 28)
    targets = Label(classes="mnist_pair_3_4", names=("3", "4"))


@PROBLEMS.register(name="mnist_pair_3_5")
class MnistPair35(Pair):
    """Handwritten digits that are 3 or 5, to which."""

    source = Among(Mnist.source, ("3", "5"))
    inputs = Pixels("mnist_pair_3_5", 28, 28)
    targets = Label(classes="mnist_pair_3_5", names=("3", "5"))


@PROBLEMS.register(name="mnist_pair_3_6")
class MnistPair36(Pair):
    """Handwritten digits that are 3 or 6, to which."""

    source = Among(Mnist.source, ("3", "6"))
    inputs = Pixels("mnist_pair_3_6", 28, 28)
    targets = Label(classes="mnist_pair_3_6", names=("3", "6"))


@PROBLEMS.register(name="mnist_pair_3_7")
class MnistPair37(Pair):
    """Handwritten digits that are 3 or 7, to which."""

    source = Among(Mnist.source, ("3", "7"))
    inputs = Pixels("mnist_pair_3_7", 28, 28)
    targets = Label(classes="mnist_pair_3_7", names=("3", "7"))


@PROBLEMS.register(name="mnist_pair_3_8")
class MnistPair38(Pair):
    """Handwritten digits that are 3 or 8, to which."""

    source = Among(Mnist.source, ("3", "8"))
    inputs = Pixels("mnist_pair_3_8", 28, 28)
    targets = Label(classes="mnist_pair_3_8", names=("3", "8"))


@PROBLEMS.register(name="mnist_pair_3_9")
class MnistPair39(Pair):
    """Handwritten digits that are 3 or 9, to which."""

    source = Among(Mnist.source, ("3", "9"))
    inputs = Pixels("mnist_pair_3_9", 28, 28)
    targets = Label(classes="mnist_pair_3_9", names=("3", "9"))


@PROBLEMS.register(name="mnist_pair_4_5")
class MnistPair45(Pair):
    """Handwritten digits that are 4 or 5, to which."""

    source = Among(Mnist.source, ("4", "5"))
    inputs = Pixels("mnist_pair_4_5", 28, 28)
    targets = Label(classes="mnist_pair_4_5", names=("4", "5"))


@PROBLEMS.register(name="mnist_pair_4_6")
class MnistPair46(Pair):
    """Handwritten digits that are 4 or 6, to which."""

    source = Among(Mnist.source, ("4", "6"))
    inputs = Pixels("mnist_pair_4_6", 28, 28)
    targets = Label(classes="mnist_pair_4_6", names=("4", "6"))


@PROBLEMS.register(name="mnist_pair_4_7")
class MnistPair47(Pair):
    """Handwritten digits that are 4 or 7, to which."""

    source = Among(Mnist.source, ("4", "7"))
    inputs = Pixels("mnist_pair_4_7", 28, 28)
    targets = Label(classes="mnist_pair_4_7", names=("4", "7"))


@PROBLEMS.register(name="mnist_pair_4_8")
class MnistPair48(Pair):
    """Handwritten digits that are 4 or 8, to which."""

    source = Among(Mnist.source, ("4", "8"))
    inputs = Pixels("mnist_pair_4_8", 28, 28)
    targets = Label(classes="mnist_pair_4_8", names=("4", "8"))


@PROBLEMS.register(name="mnist_pair_4_9")
class MnistPair49(Pair):
    """Handwritten digits that are 4 or 9, to which."""

    source = Among(Mnist.source, ("4", "9"))
    inputs = Pixels("mnist_pair_4_9", 28, 28)
    targets = Label(classes="mnist_pair_4_9", names=("4", "9"))


@PROBLEMS.register(name="mnist_pair_5_6")
class MnistPair56(Pair):
    """Handwritten digits that are 5 or 6, to which."""

    source = Among(Mnist.source, ("5", "6"))
    inputs = Pixels("mnist_pair_5_6", 28, 28)
    targets = Label(classes="mnist_pair_5_6", names=("5", "6"))


@PROBLEMS.register(name="mnist_pair_5_7")
class MnistPair57(Pair):
    """Handwritten digits that are 5 or 7, to which."""

    source = Among(Mnist.source, ("5", "7"))
    inputs = Pixels("mnist_pair_5_7", 28, 28)
    targets = Label(classes="mnist_pair_5_7", names=("5", "7"))


@PROBLEMS.register(name="mnist_pair_5_8")
class MnistPair58(Pair):
    """Handwritten digits that are 5 or 8, to which."""

    source = Among(Mnist.source, ("5", "8"))
    inputs = Pixels("mnist_pair_5_8", 28, 28)
    targets = Label(classes="mnist_pair_5_8", names=("5", "8"))


@PROBLEMS.register(name="mnist_pair_5_9")
class MnistPair59(Pair):
    """Handwritten digits that are 5 or 9, to which."""

    source = Among(Mnist.source, ("5", "9"))
    inputs = Pixels("mnist_pair_5_9", 28, 28)
    targets = Label(classes="mnist_pair_5_9", names=("5", "9"))


@PROBLEMS.register(name="mnist_pair_6_7")
class MnistPair67(Pair):
    """Handwritten digits that are 6 or 7, to which."""

    source = Among(Mnist.source, ("6", "7"))
    inputs = Pixels("mnist_pair_6_7", 28, 28)
    targets = Label(classes="mnist_pair_6_7", names=("6", "7"))


@PROBLEMS.register(name="mnist_pair_6_8")
class MnistPair68(Pair):
    """Handwritten digits that are 6 or 8, to which."""

    source = Among(Mnist.source, ("6", "8"))
    inputs = Pixels("mnist_pair_6_8", 28, 28)
    targets = Label(classes="mnist_pair_6_8", names=("6", "8"))


@PROBLEMS.register(name="mnist_pair_6_9")
class MnistPair69(Pair):
    """Handwritten digits that are 6 or 9, to which."""

    source = Among(Mnist.source, ("6", "9"))
    inputs = Pixels("mnist_pair_6_9", 28, 28)
    targets = Label(classes="mnist_pair_6_9", names=("6", "9"))


@PROBLEMS.register(name="mnist_pair_7_8")
class MnistPair78(Pair):
    """Handwritten digits that are 7 or 8, to which."""

    source = Among(Mnist.source, ("7", "8"))
    inputs = Pixels("mnist_pair_7_8", 28, 28)
    targets = Label(classes="mnist_pair_7_8", names=("7", "8"))


@PROBLEMS.register(name="mnist_pair_7_9")
class MnistPair79(Pair):
    """Handwritten digits that are 7 or 9, to which."""

    source = Among(Mnist.source, ("7", "9"))
    inputs = Pixels("mnist_pair_7_9", 28, 28)
    targets = Label(classes="mnist_pair_7_9", names=("7", "9"))


@PROBLEMS.register(name="mnist_pair_8_9")
class MnistPair89(Pair):
    """Handwritten digits that are 8 or 9, to which."""

    source = Among(Mnist.source, ("8", "9"))
    inputs = Pixels("mnist_pair_8_9", 28, 28)
    targets = Label(classes="mnist_pair_8_9", names=("8", "9"))
