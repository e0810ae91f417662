"""MNIST: handwritten digits, read as sequences.

What: grey images of 28x28 pixels, each of one digit (LeCun et al. 1998). Read pixel by pixel they are the long
    sequences that recurrent nets are tried on (Le et al. 2015, arXiv 1504.00941): 784 time steps in raster order, the
    same in one random order for all images, or 28 rows, which is fast.
Splits: train the first 50,000 of the training part, dev its last 10,000, test the test part, 10,000. Of a copy with
    fewer images dev is the last sixth.
Layout, below --tmp_dir, the first that is there: `mnist/{train,t10k}-images-idx3-ubyte` and
    `mnist/{train,t10k}-labels-idx1-ubyte`, plain or .gz, as its makers have them; `mnist/mnist.npz`, as Keras has it;
    the TFDS data set `mnist` in `tensorflow_datasets/`, which --generate_data downloads when nothing else is there.
Licence: none stated by its makers; copies say CC BY-SA 3.0 or MIT.
Quirks: the first rows are black in nearly every image, so that nothing tells images apart for the first hundred
    pixels.
"""

from t2t_mm.data.features.label import Label
from t2t_mm.data.features.scan import Scan
from t2t_mm.data.sources.digit_arrays import IdxFiles, KerasArchive
from t2t_mm.data.sources.first_present import FirstPresent
from t2t_mm.data.sources.tfds import ClassName, Encoded, Tfds
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

HOMEPAGE = "http://yann.lecun.com/exdb/mnist"


class Mnist(Problem):
    """Images of handwritten digits to their class."""

    source = FirstPresent(
        IdxFiles("mnist", homepage=HOMEPAGE),
        KerasArchive("mnist", homepage="keras.datasets.mnist"),
        Tfds(
            "mnist",
            inputs=Encoded("image"),
            targets=ClassName("label"),
            train="train[:50000]",
            dev="train[50000:]",
            test="test",
            download=11_594_722,
        ),
    )
    targets = Label(classes="digits", names=tuple("0123456789"))
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


@PROBLEMS.register
class SequentialMnist(Mnist):
    """Handwritten digits pixel by pixel, 784 time steps, to their class."""

    inputs = Scan(28, 28)


@PROBLEMS.register
class PermutedMnist(Mnist):
    """Handwritten digits pixel by pixel in one random order, to their class."""

    inputs = Scan(28, 28, order="permuted_mnist")


@PROBLEMS.register
class SequentialMnistRows(Mnist):
    """Handwritten digits row by row, 28 time steps, to their class."""

    inputs = Scan(28, 28, by_row=True)
