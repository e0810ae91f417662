"""COCO captions: photographs of everyday scenes, each described by five people.

What: images from Flickr with five English captions each, a few with six or seven (Lin et al. 2014, arXiv 1405.0312;
    Chen et al. 2015, arXiv 1504.00325). An image is one example: training draws one of its captions each time,
    evaluation compares with all of them.
Splits: as COCO has them, val is dev: 118,287 / 5,000 in 2017, 82,783 / 40,504 in 2014 (the same images). Through
    TFDS, the parts of Karpathy and Li (2015, arXiv 1412.2306): train and restval 113,287, val 5,000, test 5,000.
Size: 20 GB of images in either year.
Layout, below --tmp_dir, the first that is there: `coco/annotations/captions_{train,val}2017.json` with the images in
    `coco/train2017/` and `coco/val2017/`, or 2014 in place of 2017; the same in `coco_mini/`; the TFDS data set
    `coco_captions` in `tensorflow_datasets/`, which --generate_data and t2t-mm-datagen download if none of these
    folders exists: 40 GB, because it includes COCO's test images.
Licence: captions CC BY 4.0; each image has its own, named in the JSON.
Quirks: some captions end with a line break or hold one; each is put on one line. Some images are grey.
"""

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.references import References
from t2t_mm.data.sources.coco_json import CocoJson
from t2t_mm.data.sources.first_present import FirstPresent
from t2t_mm.data.sources.tfds import Encoded, Lines, Tfds
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

HOMEPAGE = "https://cocodataset.org/#download"


@PROBLEMS.register
class ImageCaptionsCoco(Problem):
    """Photographs to English captions, five right ones each: COCO."""

    source = FirstPresent(
        CocoJson("coco", homepage=HOMEPAGE),
        CocoJson("coco_mini"),
        Tfds(
            "coco_captions/2014",
            inputs=Encoded("image"),
            targets=Lines("captions", text="text"),
            name="image/filename",
            train="train+restval",
            dev="val",
            test="test",
            download=40_378_880_879,
        ),
    )
    inputs = Image()
    targets = References()
    command = "to-english"
    decoded_metrics = ("cider", "bleu_4")
