"""Omniglot's fifty alphabets, one problem for each.

What: characters of 50 alphabets, each drawn by 20 people: black ink on white, 105 x 105 pixels (Lake et al. 2015,
    Science 350, 1332). Alphabets have 14 to 55 characters; the drawn character is the class.
Splits: none of its own within an alphabet; a fifth of the drawings is dev, by hash of the id.
Layout, below --tmp_dir: `omniglot/<set>.zip` as at github.com/brendenlake/omniglot, or the folder it unpacks to, with
    `<set>/<alphabet>/character<nn>/<id>_<nn>.png`; sets are `images_background`, `images_evaluation`, and
    `images_background_small1` and `_small2`, which hold ten of the former's alphabets, two of them twice.
Licence: MIT.
Quirks: the 20 drawings of a character are by the same 20 people in all of an alphabet.
"""

from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import Label
from t2t_mm.data.sources.omniglot_alphabet import OmniglotAlphabet
from t2t_mm.problem import Problem

BACKGROUND = {  # problem -> the folder of its alphabet
    "omniglot_alphabet_of_the_magi": "Alphabet_of_the_Magi",
    "omniglot_anglo_saxon_futhorc": "Anglo-Saxon_Futhorc",
    "omniglot_arcadian": "Arcadian",
    "omniglot_armenian": "Armenian",
    "omniglot_asomtavruli": "Asomtavruli_(Georgian)",
    "omniglot_balinese": "Balinese",
    "omniglot_bengali": "Bengali",
    "omniglot_blackfoot": "Blackfoot_(Canadian_Aboriginal_Syllabics)",
    "omniglot_braille": "Braille",
    "omniglot_burmese": "Burmese_(Myanmar)",
    "omniglot_cyrillic": "Cyrillic",
    "omniglot_early_aramaic": "Early_Aramaic",
    "omniglot_futurama": "Futurama",
    "omniglot_grantha": "Grantha",
    "omniglot_greek": "Greek",
    "omniglot_gujarati": "Gujarati",
    "omniglot_hebrew": "Hebrew",
    "omniglot_inuktitut": "Inuktitut_(Canadian_Aboriginal_Syllabics)",
    "omniglot_japanese_hiragana": "Japanese_(hiragana)",
    "omniglot_japanese_katakana": "Japanese_(katakana)",
    "omniglot_korean": "Korean",
    "omniglot_latin": "Latin",
    "omniglot_malay": "Malay_(Jawi_-_Arabic)",
    "omniglot_mkhedruli": "Mkhedruli_(Georgian)",
    "omniglot_nko": "N_Ko",
    "omniglot_ojibwe": "Ojibwe_(Canadian_Aboriginal_Syllabics)",
    "omniglot_sanskrit": "Sanskrit",
    "omniglot_syriac_estrangelo": "Syriac_(Estrangelo)",
    "omniglot_tagalog": "Tagalog",
    "omniglot_tifinagh": "Tifinagh",
}
EVALUATION = {
    "omniglot_angelic": "Angelic",
    "omniglot_atemayar_qelisayer": "Atemayar_Qelisayer",
    "omniglot_atlantean": "Atlantean",
    "omniglot_aurek_besh": "Aurek-Besh",
    "omniglot_avesta": "Avesta",
    "omniglot_ge_ez": "Ge_ez",
    "omniglot_glagolitic": "Glagolitic",
    "omniglot_gurmukhi": "Gurmukhi",
    "omniglot_kannada": "Kannada",
    "omniglot_keble": "Keble",
    "omniglot_malayalam": "Malayalam",
    "omniglot_manipuri": "Manipuri",
    "omniglot_mongolian": "Mongolian",
    "omniglot_old_church_slavonic": "Old_Church_Slavonic_(Cyrillic)",
    "omniglot_oriya": "Oriya",
    "omniglot_sylheti": "Sylheti",
    "omniglot_syriac_serto": "Syriac_(Serto)",
    "omniglot_tengwar": "Tengwar",
    "omniglot_tibetan": "Tibetan",
    "omniglot_ulog": "ULOG",
}


class Omniglot(Problem):
    """Drawn characters of the alphabet in the problem's name, to their class."""

    inputs = Image()
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


for name, folder in {**BACKGROUND, **EVALUATION}.items():
    Omniglot.member(name, source=OmniglotAlphabet(folder), targets=Label(classes=name))
