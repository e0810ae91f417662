"""The registries: problems, modalities, models, hparam sets, hparam ranges and decoded metrics, by name.

Built-in names stand in tables, name to "module:object". Those of problems and hparam sets are in the catalogues beside
them (`problems/catalogue.py`, `hparams/catalogue.py`), which are read at first use. An entry is imported only when it
is looked up, so listing names imports neither Keras nor TensorFlow. Plugins add entries by `register` or `declare`.
"""

import ast
import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from t2t_mm.errors import NameTaken, UnknownName, UserError

Named = TypeVar("Named")

REMEDY = "If a plugin defines it, pass --t2t_usr_dir=<its folder> or install the plugin's package."


class Registry(Generic[Named]):
    """The things of one kind, by name: filled by a decorator, read like a dict."""

    def __init__(self, kind: str, builtin: Mapping[str, str] | str) -> None:
        """Create a registry of `kind`, for error sentences.

        `builtin` is the table of built-in entries, name to "module:object", or the address of such a table, also as
        "module:object", which is imported at first use.
        """
        self.kind = kind
        self._builtin = builtin
        self._items: dict[str, Named] = {}

    @cached_property
    def _address(self) -> dict[str, str]:
        """The address of each entry, "module:object", by name."""
        return dict(_import(self._builtin) if isinstance(self._builtin, str) else self._builtin)

    def register(self, item: Any = None, *, name: str | None = None) -> Any:
        """Enter `item` under `name`, or under its own name in snake case: `TranslateEnde` becomes `translate_ende`.

        Works as `@REGISTRY.register`, `@REGISTRY.register(name="x")` and `REGISTRY.register(item)`; returns `item`.
        Raises UserError for a name that contains `-`, `,` or a blank (they separate names on the command line) and
        NameTaken for a name in use.
        """
        if item is None:
            return cast(Callable[[Any], Any], lambda decorated: self.register(decorated, name=name))
        name = name or snake_case(item.__name__)
        self.declare(name, f"{item.__module__}:{item.__qualname__}")
        self._items[name] = item
        return item

    def declare(self, name: str, address: str) -> None:
        """Enter `name` for the object at `address`, "module:object", which is imported when it is first looked up.

        For a plugin's modalities and models, so that listing names loads no Keras. Raises as `register` does.
        """
        if re.search(r"[-,\s]", name):
            raise UserError(f"{address} asks to be the {self.kind} {name!r}; a name may hold no '-', ',' or blank.")
        if self._address.get(name, address) != address:
            raise NameTaken(self.kind, name, self._address[name], address)
        self._address[name] = address

    def __getitem__(self, name: str) -> Named:
        if name not in self._items:
            self._items[name] = _import(self.address(name))
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._address))

    def __contains__(self, name: object) -> bool:
        return name in self._address

    def address(self, name: str) -> str:
        """Return the place where `name` is defined, as "module:object". Raises UnknownName."""
        if name not in self._address:
            raise UnknownName(self.kind, name, self._address, REMEDY)
        return self._address[name]

    def summary(self, name: str) -> str:
        """Return the first line of the docstring of `name`; for a member of a family, that of the family's class.

        It is read from the source, without importing it.
        """
        if name in self._items:
            return (self._items[name].__doc__ or "").partition("\n")[0]
        module, _, attribute = self.address(name).partition(":")
        node = _definitions(module).get(attribute.partition(".")[0])
        return "" if node is None else (ast.get_docstring(node) or "").partition("\n")[0]

    def text_attribute(self, name: str, attribute: str) -> str:
        """Return the text that the class `name` assigns to `attribute`, or a base class in its module; "" if none.

        It is read from the source, without importing it.
        """
        if name in self._items:
            return str(getattr(self._items[name], attribute, ""))
        module, _, definition = self.address(name).partition(":")
        return _assigned(_definitions(module), definition.partition(".")[0], attribute)


def _import(address: str) -> Any:
    """Return the object at `address`, "module:object"."""
    module, _, attribute = address.partition(":")
    return attrgetter(attribute)(importlib.import_module(module))


def _definitions(module: str) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    """Return the classes and functions of `module` by name, parsed from its source; {} if it has none."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return {}
    return _parsed(Path(spec.origin).read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _parsed(source: str) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    nodes = ast.parse(source).body
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def _assigned(definitions: Mapping[str, ast.ClassDef | ast.FunctionDef], name: str, attribute: str) -> str:
    """Return the text that the class `name` of `definitions`, or a base class among them, assigns to `attribute`."""
    node = definitions.get(name)
    if not isinstance(node, ast.ClassDef):
        return ""
    for statement in (each for each in node.body if isinstance(each, ast.Assign)):
        if attribute in [target.id for target in statement.targets if isinstance(target, ast.Name)]:
            value = statement.value
            return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return next(filter(None, (_assigned(definitions, base, attribute) for base in bases)), "")


def snake_case(name: str) -> str:
    """Return a class name in snake case: `TranslateEnde` becomes `translate_ende`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _table(module: str, objects: Mapping[str, str]) -> dict[str, str]:
    return {name: f"t2t_mm.{module}:{attribute}" for name, attribute in objects.items()}


PROBLEMS: Registry[Any] = Registry("problem", "t2t_mm.problems.catalogue:PROBLEMS")
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
HPARAM_SETS: Registry[Any] = Registry("hparams_set", "t2t_mm.hparams.catalogue:HPARAM_SETS")
HPARAM_RANGES: Registry[Any] = Registry("hparams_range", "t2t_mm.hparams.catalogue:HPARAM_RANGES")
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
