"""Flickr8k: photographs of people and animals, each described by five people.

What: images from Flickr with five English captions each, of what is done and by whom (Hodosh et al. 2013, Journal of
    Artificial Intelligence Research 47). An image is one example: training draws one of its captions each time,
    evaluation compares with all five.
Splits: every tenth image, by hash of its id (the file's name before the dot), is dev; speech_captions, whose ids are
    the same, is split in the same way. The authors' own split of 6,000 / 1,000 / 1,000 is not used.
Size: 8,091 images, 40,455 captions, 1.1 GB.
Layout, below --tmp_dir: `flickr8k/captions.txt` (CSV with the header `image,caption`) and the images in
    `flickr8k/images/` or `flickr8k/Images/`, as Kaggle packs them; the same in `flickr8k_1k/`.
Licence: for research and education, not for commerce; its makers do not own the images.
Quirks: captions are tokenised, in part: a full stop or comma stands by itself (`a man , a dog .`). The authors' list of
    captions names a file that is not among the images, 2258277193_586949ec62.jpg.1; Kaggle's does not. A line
    for a missing image is rejected.
"""

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.references import References
from t2t_mm.data.sources.caption_table import CaptionTable
from t2t_mm.data.sources.first_present import FirstPresent
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

HOMEPAGE = "https://www.kaggle.com/datasets/adityajn105/flickr8k"


@PROBLEMS.register
class ImageCaptionsFlickr8k(Problem):
    """Photographs to English captions, five right ones each: Flickr8k."""

    source = FirstPresent(CaptionTable("flickr8k", homepage=HOMEPAGE), CaptionTable("flickr8k_1k", homepage=HOMEPAGE))
    inputs = Image()
    targets = References()
    command = "to-english"
    decoded_metrics = ("cider", "bleu_4")
