"""The values of --problems: names of problems, patterns, and names that stand for several problems."""

import re
from fnmatch import fnmatchcase

from t2t_mm.errors import UnknownName
from t2t_mm.registry import PROBLEMS, REMEDY

RUNS = {  # names for --problems that stand for several
    "builtin": (
        "translate_north_south",
        "translate_south_north",
        "translate_north_east",
        "translate_east_north",
        "parsing_grammar",
        "image_shapes",
        "image_captions_shapes",
        "speech_syllables",
    ),
    "uci": (  # ten tables, for soft ordering
        "uci_banknote",
        "uci_breast_cancer",
        "uci_ecoli",
        "uci_german",
        "uci_glass",
        "uci_ionosphere",
        "uci_iris",
        "uci_pima",
        "uci_sonar",
        "uci_wine",
    ),
    "paper": (  # arXiv 1706.05137
        "speech_wsj",
        "image_imagenet",
        "image_captions_coco",
        "parsing_wsj",
        "translate_ende_wmt14",
        "translate_deen_wmt14",
        "translate_enfr_wmt14",
        "translate_fren_wmt14",
    ),
}


def problem_names(flag: str) -> tuple[str, ...]:
    """Return the registered problems that the value of --problems names, each once, in that order.

    Names are joined by `-` or `,`; a name of RUNS stands for its problems, and `*` for any letters.

    Raises UnknownName for a name that matches no problem.
    """
    names: list[str] = []
    for name in filter(None, re.split(r"[-,\s]+", flag)):
        matches = [known for known in PROBLEMS if fnmatchcase(known, name)] if "*" in name else RUNS.get(name, (name,))
        if not matches or any(match not in PROBLEMS for match in matches):
            raise UnknownName("problem", name, [*PROBLEMS, *RUNS], REMEDY)
        names.extend(matches)
    return tuple(dict.fromkeys(names))
