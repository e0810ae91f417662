"""Omniglot's 30 background alphabets, a problem each; the 20 others are in omniglot_evaluation.py.

What: characters of 50 alphabets, each drawn by 20 people: black ink on white, 105 x 105 pixels (Lake et al. 2015,
    Science 350, 1332). Alphabets have 14 to 55 characters; which of them a drawing is, is the class.
Splits: none of its own within an alphabet; a fifth of the drawings is dev, by hash of the id.
Layout, below --tmp_dir: `omniglot/<set>.zip` as at github.com/brendenlake/omniglot, or the folder it unpacks to, with
    `<set>/<alphabet>/character<nn>/<id>_<nn>.png`; sets are `images_background`, `images_evaluation`, and
    `images_background_small1` and `_small2`, which hold ten of the former's alphabets, two of them twice.
Licence: MIT.
Quirks: the 20 drawings of a character are by the same 20 people in all of an alphabet.
"""

from t2t_mm.data.image import Image
from t2t_mm.data.label import Label
from t2t_mm.data.sources.omniglot_alphabet import OmniglotAlphabet
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS


class Omniglot(Problem):
    """A drawn character to which of its alphabet it is."""

    inputs = Image()
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy")


@PROBLEMS.register
class OmniglotAlphabetOfTheMagi(Omniglot):
    """Drawn characters of an alphabet to which they are: Alphabet of the Magi."""

    source, targets = OmniglotAlphabet("Alphabet_of_the_Magi"), Label(classes="omniglot_alphabet_of_the_magi")


@PROBLEMS.register
class OmniglotAngloSaxonFuthorc(Omniglot):
    """Drawn characters of an alphabet to which they are: Anglo-Saxon Futhorc."""

    source, targets = OmniglotAlphabet("Anglo-Saxon_Futhorc"), Label(classes="omniglot_anglo_saxon_futhorc")


@PROBLEMS.register
class OmniglotArcadian(Omniglot):
    """Drawn characters of an alphabet to which they are: Arcadian."""

    source, targets = OmniglotAlphabet("Arcadian"), Label(classes="omniglot_arcadian")


@PROBLEMS.register
class OmniglotArmenian(Omniglot):
    """Drawn characters of an alphabet to which they are: Armenian."""

    source, targets = OmniglotAlphabet("Armenian"), Label(classes="omniglot_armenian")


@PROBLEMS.register
class OmniglotAsomtavruli(Omniglot):
    """Drawn characters of an alphabet to which they are: Asomtavruli (Georgian)."""

    source, targets = OmniglotAlphabet("Asomtavruli_(Georgian)"), Label(classes="omniglot_asomtavruli")


@PROBLEMS.register
class OmniglotBalinese(Omniglot):
    """Drawn characters of an alphabet to which they are: Balinese."""

    source, targets = OmniglotAlphabet("Balinese"), Label(classes="omniglot_balinese")


@PROBLEMS.register
class OmniglotBengali(Omniglot):
    """Drawn characters of an alphabet to which they are: Bengali."""

    source, targets = OmniglotAlphabet("Bengali"), Label(classes="omniglot_bengali")


@PROBLEMS.register
class OmniglotBlackfoot(Omniglot):
    """Drawn characters of an alphabet to which they are: Blackfoot (Canadian Aboriginal Syllabics)."""

    source, targets = OmniglotAlphabet("Blackfoot_(Canadian_Aboriginal_Syllabics)"), Label(classes="omniglot_blackfoot")


@PROBLEMS.register
class OmniglotBraille(Omniglot):
    """Drawn characters of an alphabet to which they are: Braille."""

    source, targets = OmniglotAlphabet("Braille"), Label(classes="omniglot_braille")


@PROBLEMS.register
class OmniglotBurmese(Omniglot):
    """Drawn characters of an alphabet to which they are: Burmese (Myanmar)."""

    source, targets = OmniglotAlphabet("Burmese_(Myanmar)"), Label(classes="omniglot_burmese")


@PROBLEMS.register
class OmniglotCyrillic(Omniglot):
    """Drawn characters of an alphabet to which they are: Cyrillic."""

    source, targets = OmniglotAlphabet("Cyrillic"), Label(classes="omniglot_cyrillic")


@PROBLEMS.register
class OmniglotEarlyAramaic(Omniglot):
    """Drawn characters of an alphabet to which they are: Early Aramaic."""

    source, targets = OmniglotAlphabet("Early_Aramaic"), Label(classes="omniglot_early_aramaic")


@PROBLEMS.register
class OmniglotFuturama(Omniglot):
    """Drawn characters of an alphabet to which they are: Futurama."""

    source, targets = OmniglotAlphabet("Futurama"), Label(classes="omniglot_futurama")


@PROBLEMS.register
class OmniglotGrantha(Omniglot):
    """Drawn characters of an alphabet to which they are: Grantha."""

    source, targets = OmniglotAlphabet("Grantha"), Label(classes="omniglot_grantha")


@PROBLEMS.register
class OmniglotGreek(Omniglot):
    """Drawn characters of an alphabet to which they are: Greek."""

    source, targets = OmniglotAlphabet("Greek"), Label(classes="omniglot_greek")


@PROBLEMS.register
class OmniglotGujarati(Omniglot):
    """Drawn characters of an alphabet to which they are: Gujarati."""

    source, targets = OmniglotAlphabet("Gujarati"), Label(classes="omniglot_gujarati")


@PROBLEMS.register
class OmniglotHebrew(Omniglot):
    """Drawn characters of an alphabet to which they are: Hebrew."""

    source, targets = OmniglotAlphabet("Hebrew"), Label(classes="omniglot_hebrew")


@PROBLEMS.register
class OmniglotInuktitut(Omniglot):
    """Drawn characters of an alphabet to which they are: Inuktitut (Canadian Aboriginal Syllabics)."""

    source, targets = OmniglotAlphabet("Inuktitut_(Canadian_Aboriginal_Syllabics)"), Label(classes="omniglot_inuktitut")


@PROBLEMS.register
class OmniglotJapaneseHiragana(Omniglot):
    """Drawn characters of an alphabet to which they are: Japanese (hiragana)."""

    source, targets = OmniglotAlphabet("Japanese_(hiragana)"), Label(classes="omniglot_japanese_hiragana")


@PROBLEMS.register
class OmniglotJapaneseKatakana(Omniglot):
    """Drawn characters of an alphabet to which they are: Japanese (katakana)."""

    source, targets = OmniglotAlphabet("Japanese_(katakana)"), Label(classes="omniglot_japanese_katakana")


@PROBLEMS.register
class OmniglotKorean(Omniglot):
    """Drawn characters of an alphabet to which they are: Korean."""

    source, targets = OmniglotAlphabet("Korean"), Label(classes="omniglot_korean")


@PROBLEMS.register
class OmniglotLatin(Omniglot):
    """Drawn characters of an alphabet to which they are: Latin."""

    source, targets = OmniglotAlphabet("Latin"), Label(classes="omniglot_latin")


@PROBLEMS.register
class OmniglotMalay(Omniglot):
    """Drawn characters of an alphabet to which they are: Malay (Jawi)."""

    source, targets = OmniglotAlphabet("Malay_(Jawi_-_Arabic)"), Label(classes="omniglot_malay")


@PROBLEMS.register
class OmniglotMkhedruli(Omniglot):
    """Drawn characters of an alphabet to which they are: Mkhedruli (Georgian)."""

    source, targets = OmniglotAlphabet("Mkhedruli_(Georgian)"), Label(classes="omniglot_mkhedruli")


@PROBLEMS.register
class OmniglotNKo(Omniglot):
    """Drawn characters of an alphabet to which they are: N Ko."""

    source, targets = OmniglotAlphabet("N_Ko"), Label(classes="omniglot_nko")


@PROBLEMS.register
class OmniglotOjibwe(Omniglot):
    """Drawn characters of an alphabet to which they are: Ojibwe (Canadian Aboriginal Syllabics)."""

    source, targets = OmniglotAlphabet("Ojibwe_(Canadian_Aboriginal_Syllabics)"), Label(classes="omniglot_ojibwe")


@PROBLEMS.register
class OmniglotSanskrit(Omniglot):
    """Drawn characters of an alphabet to which they are: Sanskrit."""

    source, targets = OmniglotAlphabet("Sanskrit"), Label(classes="omniglot_sanskrit")


@PROBLEMS.register
class OmniglotSyriacEstrangelo(Omniglot):
    """Drawn characters of an alphabet to which they are: Syriac (Estrangelo)."""

    source, targets = OmniglotAlphabet("Syriac_(Estrangelo)"), Label(classes="omniglot_syriac_estrangelo")


@PROBLEMS.register
class OmniglotTagalog(Omniglot):
    """Drawn characters of an alphabet to which they are: Tagalog."""

    source, targets = OmniglotAlphabet("Tagalog"), Label(classes="omniglot_tagalog")


@PROBLEMS.register
class OmniglotTifinagh(Omniglot):
    """Drawn characters of an alphabet to which they are: Tifinagh."""

    source, targets = OmniglotAlphabet("Tifinagh"), Label(classes="omniglot_tifinagh")
