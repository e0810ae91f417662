"""The listing that `--registry_help` prints: everything that a flag can name, read without importing it."""

import json
from collections.abc import Mapping, Sequence

from t2t_mm.errors import UserError
from t2t_mm.registry import REGISTRIES

Catalogue = dict[str, dict[str, dict[str, str]]]


def registry_help(wanted: str, runs: Mapping[str, Sequence[str]], form: str) -> str:
    """Return the entries with `wanted` in their name, or in that of their registry, as "text" or "json".

    `runs` are the names that stand for several problems. Raises UserError if there is no such entry.
    """
    matches = {kind: _matching(kind, names, wanted) for kind, names in _catalogue(runs).items()}
    matches = {kind: names for kind, names in matches.items() if names}
    if not matches:
        raise UserError(
            f"--registry_help={wanted}: no registered name contains {wanted!r}. Use --registry_help alone to list all."
        )
    return json.dumps(matches, indent=1) if form == "json" else _text(matches)


def _catalogue(runs: Mapping[str, Sequence[str]]) -> Catalogue:
    """Return registry -> name -> {"summary", "defined_in"}, and "ceiling" for a problem that states the best result.

    Names that stand for several problems are under "runs".
    """
    listed = {
        kind: {name: {"summary": registry.summary(name), "defined_in": registry.address(name)} for name in registry}
        for kind, registry in REGISTRIES.items()
    }
    for name, entry in listed["problems"].items():
        if ceiling := REGISTRIES["problems"].text_attribute(name, "ceiling"):
            entry["ceiling"] = ceiling
    stands_for = {
        name: {"summary": " ".join(problems), "defined_in": "t2t_mm.bin.problem_names:RUNS"}
        for name, problems in runs.items()
    }
    return listed | {"runs": stands_for}


def _matching(kind: str, names: dict[str, dict[str, str]], wanted: str) -> dict[str, dict[str, str]]:
    return {name: entry for name, entry in names.items() if wanted in name or wanted in kind}


def _text(catalogue: Catalogue) -> str:
    width = max(len(name) for names in catalogue.values() for name in names)
    blocks = []
    for kind, names in catalogue.items():
        lines = []
        for name, entry in names.items():
            lines.append(f"  {name:<{width}}  {entry['summary']}".rstrip())
            if "ceiling" in entry:
                lines.append(f"  {'':<{width}}  Best possible: {entry['ceiling']}.")
        blocks.append("\n".join([f"{kind}:", *lines]))
    return "\n\n".join(blocks)
