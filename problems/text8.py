"""text8: the first hundred million characters of Wikipedia, cleaned up.

What: English articles as one line of letters a to z and single blanks (Mahoney 2006, "Large text compression
    benchmark"). An example is a passage of 180 characters, wherever it begins.
Splits: the first 90,000,000 characters train, the next 5,000,000 dev, the last 5,000,000 test, as in Mikolov
    et al. 2012; of a shorter file 90, 5 and 5 %.
Layout, below --tmp_dir: the file `text8`, or `text8.zip` as it is published, with or without a folder `text8`.
Licence: Wikipedia's, CC BY-SA and GFDL.
"""

from t2t_mm.data.features.characters import Characters
from t2t_mm.data.sources.running_text import OneFile
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS


@PROBLEMS.register
class LmText8(Problem):
    """Encyclopedia text to continue, character by character: text8."""

    source = OneFile(180, name="text8", homepage="http://mattmahoney.net/dc/text8.zip")
    targets = Characters("text8")
    command = "to-text8"
    metrics = ("neg_log_perplexity", "bits_per_character", "accuracy")
