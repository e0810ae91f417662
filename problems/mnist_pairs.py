"""Pairs of MNIST's digits, 45 problems: which of two digits an image is (arXiv 1711.00108, section 5.1).

What, layout, licence: see mnist.py. The tasks differ only in the two digits.
Splits: MNIST's, of the two digits alone: about 10,000 images of the first 50,000 to train.
Quirks: pixels are read as a vector; every pair has an encoder of its own.
"""

from itertools import combinations

from t2t_mm.data.features.label import Label
from t2t_mm.data.features.pixels import Pixels
from t2t_mm.data.sources.class_subset import ClassSubset
from t2t_mm.problem import Problem
from t2t_mm.problems.mnist import Mnist


class Pair(Problem):
    """Handwritten digits, each one of the two in the problem's name, to which of them."""

    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


for pair in combinations("0123456789", 2):
    name = "mnist_pair_{}_{}".format(*pair)
    Pair.member(
        name,
        source=ClassSubset(Mnist.source, pair),
        inputs=Pixels(name, 28, 28),
        targets=Label(classes=name, names=pair),
    )
