"""ImageNet, the 1,000 classes of ILSVRC 2012.

What: photographs of many sizes, each of one class (Russakovsky et al. 2015, arXiv 1409.0575). A class is named by its
    WordNet id, such as n01440764, the name of its folder.
Splits: train 1,281,167; the validation part, 50,000, is dev here. A copy without parts (a sample) holds out every
    tenth image by hash of its id.
Layout, below --tmp_dir, the first that is there: `imagenet/{train,val}/<wnid>/<file>`; `imagenet_sample/<wnid>/<file>`,
    an image or more a class; the TFDS data set `imagenet2012` in `tensorflow_datasets/`, prepared, or the two archives
    it is made from in `tensorflow_datasets/downloads/manual/`.
Licence: for research and education, not for commerce; the makers do not own the images.
Quirks: a few files are PNG or CMYK under the name .JPEG; dog breeds are 118 of the classes.
"""

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import Label
from t2t_mm.data.sources.first_present import FirstPresent
from t2t_mm.data.sources.image_folder import ImageFolder
from t2t_mm.data.sources.tfds import ClassName, Encoded, Tfds
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

HOMEPAGE = "https://www.image-net.org"


@PROBLEMS.register
class ImageImagenet(Problem):
    """Photographs to one of 1,000 classes: ImageNet, ILSVRC 2012."""

    source = FirstPresent(
        ImageFolder(
            "imagenet",
            homepage=HOMEPAGE,
            advice="ILSVRC's tar files are read without unpacking if they are in tensorflow_datasets/downloads/manual/ "
            "and imagenet/ is empty; unpacked images must be sorted into a folder for each class.",
        ),
        ImageFolder("imagenet_sample", homepage="https://github.com/EliSchwartz/imagenet-sample-images"),
        Tfds(
            "imagenet2012",
            inputs=Encoded("image"),
            targets=ClassName("label"),
            name="file_name",
            dev="validation",
            manual=("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"),
            homepage=HOMEPAGE,
        ),
    )
    inputs = Image()
    targets = Label(classes="imagenet")
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy", "accuracy_top5")
    decoded_metrics = ("top_1", "top_5")
