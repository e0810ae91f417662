"""The registries: what can be asked for by name.

What ships with the package stands in literal tables below, name to "module:object", so that listing names imports
neither Keras nor TensorFlow; an entry is imported when it is first looked up. Plugins add theirs by `register`.
"""

import ast
import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from t2t_mm.errors import NameTaken, UnknownName, UserError
from t2t_mm.moved_modules import explain, python_files

Named = TypeVar("Named")

REMEDY = "If a plugin defines it, pass --t2t_usr_dir=<its folder> or install the plugin's package."


class Registry(Generic[Named]):
    """One kind of thing, by name: filled by a decorator, read like a dict."""

    def __init__(self, kind: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self._address = dict(builtin)
        self._items: dict[str, Named] = {}

    def register(self, item: Any = None, *, name: str | None = None) -> Any:
        """Enter `item` under `name`, or under its own name in snake case: `TranslateEnde` becomes `translate_ende`.

        Serves as `@REGISTRY.register`, `@REGISTRY.register(name="x")` and `REGISTRY.register(item)`; returns `item`.
        Raises UserError for a name that holds `-` or `,` (they separate names on the command line) and NameTaken for
        a name in use.
        """
        if item is None:
            return cast(Callable[[Any], Any], lambda decorated: self.register(decorated, name=name))
        name = name or snake_case(item.__name__)
        self.declare(name, f"{item.__module__}:{item.__qualname__}")
        self._items[name] = item
        return item

    def declare(self, name: str, address: str) -> None:
        """Enter `name` for what stands at `address`, "module:object", without importing it until it is looked up.

        For a plugin's modalities and models, so that listing names loads no Keras. Raises as `register`.
        """
        if re.search(r"[-,\s]", name):
            raise UserError(f"{address} asks to be the {self.kind} {name!r}; a name may hold no '-', ',' or blank.")
        if self._address.get(name, address) != address:
            raise NameTaken(self.kind, name, self._address[name], address)
        self._address[name] = address

    def __getitem__(self, name: str) -> Named:
        if name not in self._address:
            raise UnknownName(self.kind, name, self._address, REMEDY)
        if name not in self._items:
            module, _, attribute = self._address[name].partition(":")
            try:
                self._items[name] = attrgetter(attribute)(importlib.import_module(module))
            except ImportError as error:
                if sentence := explain(error, python_files(module.partition(".")[0])):
                    raise UserError(f"The {self.kind} {name!r} failed to import: {sentence}.") from error
                raise
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._address))

    def __contains__(self, name: object) -> bool:
        return name in self._address

    def address(self, name: str) -> str:
        """Where `name` is defined, as "module:object"."""
        if name not in self._address:
            raise UnknownName(self.kind, name, self._address, REMEDY)
        return self._address[name]

    def summary(self, name: str) -> str:
        """The first line of the docstring of `name`, read from its source without importing it: of a member of a family
        that of the family."""
        if name in self._items:
            return (self._items[name].__doc__ or "").partition("\n")[0]
        module, _, attribute = self.address(name).partition(":")
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            return ""
        for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute.partition(".")[0]:
                return (ast.get_docstring(node) or "").partition("\n")[0]
        return ""


def snake_case(name: str) -> str:
    """`TranslateEndeMulti30k` to `translate_ende_multi30k`; a name already in snake case stays."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _table(module: str, objects: Mapping[str, str]) -> dict[str, str]:
    return {name: f"t2t_mm.{module}:{attribute}" for name, attribute in objects.items()}


def _family(module: str, base: str, prefix: str, names: str) -> dict[str, str]:
    """Entries that are made in a loop, as attributes of the class of what they have in common."""
    return _table(module, {f"{prefix}{name}": f"{base}.{prefix}{name}" for name in names.split()})


def _functions(module: str, names: str) -> dict[str, str]:
    return _table(module, {name: name for name in names.split()})


PAIRS = " ".join(f"{a}_{b}" for a in range(10) for b in range(a + 1, 10))
PROBLEMS: Registry[Any] = Registry(
    "problem",
    {
        **_table(
            "problems.multi30k",
            {
                "translate_ende_multi30k": "TranslateEndeMulti30k",
                "translate_deen_multi30k": "TranslateDeenMulti30k",
                "translate_enfr_multi30k": "TranslateEnfrMulti30k",
                "translate_fren_multi30k": "TranslateFrenMulti30k",
            },
        ),
        **_table(
            "problems.wmt14",
            {
                "translate_ende_wmt14": "TranslateEndeWmt14",
                "translate_deen_wmt14": "TranslateDeenWmt14",
                "translate_enfr_wmt14": "TranslateEnfrWmt14",
                "translate_fren_wmt14": "TranslateFrenWmt14",
            },
        ),
        **_table("problems.wsj_parsing", {"parsing_wsj": "ParsingWsj"}),
        **_table("problems.wsj_speech", {"speech_wsj": "SpeechWsj"}),
        **_table("problems.librispeech", {"speech_librispeech": "SpeechLibrispeech"}),
        **_table("problems.cifar10", {"image_cifar10": "ImageCifar10"}),
        **_table(
            "problems.mnist",
            {
                "sequential_mnist": "SequentialMnist",
                "permuted_mnist": "PermutedMnist",
                "sequential_mnist_rows": "SequentialMnistRows",
            },
        ),
        **_family("problems.mnist_pairs", "Pair", "mnist_pair_", PAIRS),
        **_table("problems.ptb_characters", {"lm_ptb_char": "LmPtbChar"}),
        **_table("problems.text8", {"lm_text8": "LmText8"}),
        **_table("problems.cnn_questions", {"qa_cnn": "QaCnn", "qa_cnn_short": "QaCnnShort"}),
        **_table(
            "problems.uci",
            {
                "uci_iris": "UciIris",
                "uci_wine": "UciWine",
                "uci_glass": "UciGlass",
                "uci_ecoli": "UciEcoli",
                "uci_banknote": "UciBanknote",
                "uci_breast_cancer": "UciBreastCancer",
                "uci_sonar": "UciSonar",
                "uci_ionosphere": "UciIonosphere",
                "uci_pima": "UciPima",
                "uci_german": "UciGerman",
            },
        ),
        **_family(
            "problems.omniglot",
            "Omniglot",
            "omniglot_",
            "alphabet_of_the_magi anglo_saxon_futhorc arcadian armenian asomtavruli balinese bengali blackfoot "
            "braille burmese cyrillic early_aramaic futurama grantha greek gujarati hebrew inuktitut "
            "japanese_hiragana japanese_katakana korean latin malay mkhedruli nko ojibwe sanskrit syriac_estrangelo "
            "tagalog tifinagh angelic atemayar_qelisayer atlantean aurek_besh avesta ge_ez glagolitic gurmukhi "
            "kannada keble malayalam manipuri mongolian old_church_slavonic oriya sylheti syriac_serto tengwar "
            "tibetan ulog",
        ),
        **_family(
            "problems.celeba",
            "CelebA",
            "celeba_",
            "5_o_clock_shadow arched_eyebrows attractive bags_under_eyes bald bangs big_lips big_nose black_hair "
            "blond_hair blurry brown_hair bushy_eyebrows chubby double_chin eyeglasses goatee gray_hair heavy_makeup "
            "high_cheekbones male mouth_slightly_open mustache narrow_eyes no_beard oval_face pale_skin pointy_nose "
            "receding_hairline rosy_cheeks sideburns smiling straight_hair wavy_hair wearing_earrings wearing_hat "
            "wearing_lipstick wearing_necklace wearing_necktie young",
        ),
        **_table("problems.imagenet", {"image_imagenet": "ImageImagenet"}),
        **_table("problems.flickr8k", {"image_captions_flickr8k": "ImageCaptionsFlickr8k"}),
        **_table("problems.coco", {"image_captions_coco": "ImageCaptionsCoco"}),
        **_table("problems.fsdd", {"speech_digits": "SpeechDigits", "speech_digit_strings": "SpeechDigitStrings"}),
        **_table("problems.spoken_captions", {"speech_captions": "SpeechCaptions"}),
        **_table(
            "problems.sentences",
            {
                "sentences_text": "SentencesText",
                "sentences_ptb": "SentencesPtb",
                "sentences_multi30k": "SentencesMulti30k",
                "word_order_ptb": "WordOrderPtb",
                "word_order_multi30k": "WordOrderMulti30k",
            },
        ),
        **_table("problems.squad", {"qa_squad": "QaSquad"}),
        **_table("problems.builtin_questions", {"qa_villages": "QaVillages"}),
        **_table("problems.builtin_images", {"image_shapes": "ImageShapes"}),
        **_table("problems.builtin_captions", {"image_captions_shapes": "ImageCaptionsShapes"}),
        **_table("problems.builtin_speech", {"speech_syllables": "SpeechSyllables"}),
        **_table("problems.builtin_parsing", {"parsing_grammar": "ParsingGrammar"}),
        **_table(
            "problems.builtin_translation",
            {
                "translate_north_south": "TranslateNorthSouth",
                "translate_south_north": "TranslateSouthNorth",
                "translate_north_east": "TranslateNorthEast",
                "translate_east_north": "TranslateEastNorth",
            },
        ),
    },
)
MODALITIES: Registry[Any] = Registry(
    "modality",
    {
        **_table("modalities.text", {"text": "Text"}),
        **_table("modalities.text_ctc", {"text_or_ctc": "text_or_ctc"}),
        **_table("modalities.image", {"image": "Image"}),
        **_table("modalities.image_patches", {"image_patches": "ImagePatches"}),
        **_table("modalities.label", {"label": "Label"}),
        **_table("modalities.label_last", {"label_last": "LabelLast"}),
        **_table("modalities.scan", {"scan": "Scan", "scan_plain": "ScanPlain"}),
        **_table("modalities.passage", {"passage": "Passage", "passage_asked": "PassageAsked"}),
        **_table("modalities.sentences", {"sentences": "Sentences"}),
        **_table("modalities.span", {"span": "Span"}),
        **_table("modalities.label_token", {"label_token": "LabelToken"}),
        **_table("modalities.label_flat", {"label_flat": "LabelFlat"}),
        **_table("modalities.vector", {"vector": "Vector", "vector_relu": "VectorRelu"}),
        **_table("modalities.image_padded", {"image_padded": "ImagePadded"}),
        **_table("modalities.audio", {"audio_spectral": "AudioSpectral", "audio_waveform": "AudioWaveform"}),
        **_table("modalities.audio_subsampling", {"audio_subsampling": "AudioSubsampling"}),
    },
)
MODELS: Registry[Any] = Registry(
    "model",
    {
        **_table("models.multimodel.body", {"multimodel": "MultiModel"}),
        **_table("models.transformer.body", {"transformer": "Transformer"}),
        **_table("models.bn_lstm.body", {"bn_lstm": "BnLstm"}),
        **_table("models.conformer.body", {"conformer": "Conformer"}),
        **_table("models.vit.body", {"vit": "Vit"}),
        **_table("models.soft_ordering.body", {"soft_ordering": "SoftOrdering"}),
        **_table("models.bert.body", {"bert": "Bert"}),
    },
)
HPARAM_SETS: Registry[Any] = Registry(
    "hparams_set",
    {
        **_functions(
            "hparams.multimodel",
            "multimodel_paper multimodel_paper_single multimodel_base multimodel_small multimodel_tiny multimodel_demo",
        ),
        **_functions(
            "hparams.transformer",
            "transformer_base transformer_big transformer_parsing transformer_small transformer_tiny",
        ),
        **_functions(
            "hparams.bn_lstm",
            "bn_lstm_mnist bn_lstm_pmnist bn_lstm_rows bn_lstm_ptb bn_lstm_text8 bn_lstm_tiny bn_lstm_attentive "
            "bn_lstm_attentive_both bn_lstm_attentive_full",
        ),
        **_functions("hparams.conformer", "conformer_s conformer_m conformer_l conformer_tiny"),
        **_functions("hparams.vit", "vit_b16 vit_l16 vit_h14 vit_tiny"),
        **_functions(
            "hparams.soft_ordering",
            "soft_ordering_uci soft_ordering_mnist soft_ordering_omniglot soft_ordering_omniglot_small",
        ),
        **_functions("hparams.bert", "bert_base bert_large bert_tiny"),
    },
)
HPARAM_RANGES: Registry[Any] = Registry(
    "hparams_range",
    _functions("hparams.ranges", "training_range multimodel_tiny_range multimodel_base_range transformer_base_range"),
)
DECODED_METRICS: Registry[Any] = Registry(
    "decoded metric",
    {
        **_table("metrics.on_text.sacre", {"bleu": "Bleu", "chrf": "Chrf", "bleu_4": "CaptionBleu"}),
        **_table("metrics.on_text.cider", {"cider": "Cider"}),
        **_table("metrics.on_text.error_rates", {"wer": "WordErrorRate", "cer": "CharacterErrorRate"}),
        **_table(
            "metrics.on_text.brackets", {"bracket_f1": "BracketF1", "bracket_f1_right_tags": "BracketF1RightTags"}
        ),
        **_table("metrics.on_text.squad", {"squad_exact": "SquadExact", "squad_f1": "SquadF1"}),
        **_table(
            "metrics.on_text.matches",
            {"exact_match": "ExactMatch", "well_formed": "WellFormed", "top_1": "Top1", "top_5": "Top5"},
        ),
    },
)
REGISTRIES: dict[str, Registry[Any]] = {
    "problems": PROBLEMS,
    "modalities": MODALITIES,
    "models": MODELS,
    "hparams_sets": HPARAM_SETS,
    "hparams_ranges": HPARAM_RANGES,
    "decoded_metrics": DECODED_METRICS,
}
