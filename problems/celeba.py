"""CelebA: faces, and one problem for each of 40 attributes: has the face got it? (arXiv 1711.00108, section 5.4)

What: 202,599 photographs of 10,177 famous people, 178 x 218 pixels, the face in the middle, each marked by hand with 40
    attributes (Liu et al. 2015, arXiv 1411.7766).
Splits: train 162,770; validation 19,867 (dev here); test 19,962. Nobody is in two of them.
Layout, below --tmp_dir: the TFDS data set `celeb_a` in `tensorflow_datasets/`, which --generate_data downloads (1.4 GB,
    from a server that often refuses; then prepare it elsewhere and copy it).
Licence: for research, not for profit.
Quirks: images are read as squares. Some attributes are rare (2 % are bald) and some are matters of taste.
"""

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import Label
from t2t_mm.data.sources.tfds import Encoded, Tfds, Truth
from t2t_mm.problem import Problem

ATTRIBUTES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair "
    "Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup "
    "High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose "
    "Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat "
    "Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young"
)


class CelebA(Problem):
    """Faces of famous people, to yes or no for the attribute in the problem's name: CelebA."""

    inputs = Image()
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


for attribute in ATTRIBUTES.split():
    CelebA.member(
        f"celeba_{attribute.lower()}",
        source=Tfds(
            "celeb_a",
            inputs=Encoded("image"),
            targets=Truth("attributes", attribute),
            dev="validation",
            test="test",
            homepage="mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
            download=1_440_000_000,
        ),
        targets=Label(classes=f"celeba_{attribute.lower()}", names=("no", "yes")),
    )
