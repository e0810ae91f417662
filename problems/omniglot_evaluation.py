"""Omniglot's 20 evaluation alphabets, a problem each; see omniglot.py for the corpus."""

from t2t_mm.data.label import Label
from t2t_mm.data.sources.omniglot_alphabet import OmniglotAlphabet
from t2t_mm.problems.omniglot import Omniglot
from t2t_mm.registry import PROBLEMS


@PROBLEMS.register
class OmniglotAngelic(Omniglot):
    """Drawn characters of an alphabet to which they are: Angelic."""

    source, targets = OmniglotAlphabet("Angelic"), Label(classes="omniglot_angelic")


@PROBLEMS.register
class OmniglotAtemayarQelisayer(Omniglot):
    """Drawn characters of an alphabet to which they are: Atemayar Qelisayer."""

    source, targets = OmniglotAlphabet("Atemayar_Qelisayer"), Label(classes="omniglot_atemayar_qelisayer")


@PROBLEMS.register
class OmniglotAtlantean(Omniglot):
    """Drawn characters of an alphabet to which they are: Atlantean."""

    source, targets = OmniglotAlphabet("Atlantean"), Label(classes="omniglot_atlantean")


@PROBLEMS.register
class OmniglotAurekBesh(Omniglot):
    """Drawn characters of an alphabet to which they are: Aurek-Besh."""

    source, targets = OmniglotAlphabet("Aurek-Besh"), Label(classes="omniglot_aurek_besh")


@PROBLEMS.register
class OmniglotAvesta(Omniglot):
    """Drawn characters of an alphabet to which they are: Avesta."""

    source, targets = OmniglotAlphabet("Avesta"), Label(classes="omniglot_avesta")


@PROBLEMS.register
class OmniglotGeEz(Omniglot):
    """Drawn characters of an alphabet to which they are: Ge ez."""

    source, targets = OmniglotAlphabet("Ge_ez"), Label(classes="omniglot_ge_ez")


@PROBLEMS.register
class OmniglotGlagolitic(Omniglot):
    """Drawn characters of an alphabet to which they are: Glagolitic."""

    source, targets = OmniglotAlphabet("Glagolitic"), Label(classes="omniglot_glagolitic")


@PROBLEMS.register
class OmniglotGurmukhi(Omniglot):
    """Drawn characters of an alphabet to which they are: Gurmukhi."""

    source, targets = OmniglotAlphabet("Gurmukhi"), Label(classes="omniglot_gurmukhi")


@PROBLEMS.register
class OmniglotKannada(Omniglot):
    """Drawn characters of an alphabet to which they are: Kannada."""

    source, targets = OmniglotAlphabet("Kannada"), Label(classes="omniglot_kannada")


@PROBLEMS.register
class OmniglotKeble(Omniglot):
    """Drawn characters of an alphabet to which they are: Keble."""

    source, targets = OmniglotAlphabet("Keble"), Label(classes="omniglot_keble")


@PROBLEMS.register
class OmniglotMalayalam(Omniglot):
    """Drawn characters of an alphabet to which they are: Malayalam."""

    source, targets = OmniglotAlphabet("Malayalam"), Label(classes="omniglot_malayalam")


@PROBLEMS.register
class OmniglotManipuri(Omniglot):
    """Drawn characters of an alphabet to which they are: Manipuri."""

    source, targets = OmniglotAlphabet("Manipuri"), Label(classes="omniglot_manipuri")


@PROBLEMS.register
class OmniglotMongolian(Omniglot):
    """Drawn characters of an alphabet to which they are: Mongolian."""

    source, targets = OmniglotAlphabet("Mongolian"), Label(classes="omniglot_mongolian")


@PROBLEMS.register
class OmniglotOldChurchSlavonic(Omniglot):
    """Drawn characters of an alphabet to which they are: Old Church Slavonic (Cyrillic)."""

    source, targets = OmniglotAlphabet("Old_Church_Slavonic_(Cyrillic)"), Label(classes="omniglot_old_church_slavonic")


@PROBLEMS.register
class OmniglotOriya(Omniglot):
    """Drawn characters of an alphabet to which they are: Oriya."""

    source, targets = OmniglotAlphabet("Oriya"), Label(classes="omniglot_oriya")


@PROBLEMS.register
class OmniglotSylheti(Omniglot):
    """Drawn characters of an alphabet to which they are: Sylheti."""

    source, targets = OmniglotAlphabet("Sylheti"), Label(classes="omniglot_sylheti")


@PROBLEMS.register
class OmniglotSyriacSerto(Omniglot):
    """Drawn characters of an alphabet to which they are: Syriac (Serto)."""

    source, targets = OmniglotAlphabet("Syriac_(Serto)"), Label(classes="omniglot_syriac_serto")


@PROBLEMS.register
class OmniglotTengwar(Omniglot):
    """Drawn characters of an alphabet to which they are: Tengwar."""

    source, targets = OmniglotAlphabet("Tengwar"), Label(classes="omniglot_tengwar")


@PROBLEMS.register
class OmniglotTibetan(Omniglot):
    """Drawn characters of an alphabet to which they are: Tibetan."""

    source, targets = OmniglotAlphabet("Tibetan"), Label(classes="omniglot_tibetan")


@PROBLEMS.register
class OmniglotUlog(Omniglot):
    """Drawn characters of an alphabet to which they are: ULOG."""

    source, targets = OmniglotAlphabet("ULOG"), Label(classes="omniglot_ulog")
