"""What `--registry_help` prints: everything that can be asked for by name, read without importing it."""

import json
from collections.abc import Mapping, Sequence

from t2t_mm.errors import UserError
from t2t_mm.registry import REGISTRIES

Catalogue = dict[str, dict[str, dict[str, str]]]


def registry_help(wanted: str, runs: Mapping[str, Sequence[str]], form: str) -> str:
    """The catalogue of what has `wanted` in its name, or in the name of its registry, as "text" or "json".

    Raises UserError when nothing has.
    """
    found = {kind: _matching(kind, names, wanted) for kind, names in _catalogue(runs).items()}
    found = {kind: names for kind, names in found.items() if names}
    if not found:
        raise UserError(
            f"--registry_help={wanted}: nothing has {wanted!r} in its name. Leave it out to list everything."
        )
    return json.dumps(found, indent=1) if form == "json" else _text(found)


def _catalogue(runs: Mapping[str, Sequence[str]]) -> Catalogue:
    """Registry -> name -> {"summary", "defined_in"}, and "ceiling" for a problem that states the best possible result.

    The names that stand for several problems come as "runs".
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


def _text(found: Catalogue) -> str:
    width = max(len(name) for names in found.values() for name in names)
    blocks = []
    for kind, names in found.items():
        lines = []
        for name, entry in names.items():
            lines.append(f"  {name:<{width}}  {entry['summary']}".rstrip())
            if "ceiling" in entry:
                lines.append(f"  {'':<{width}}  Best possible: {entry['ceiling']}.")
        blocks.append("\n".join([f"{kind}:", *lines]))
    return "\n\n".join(blocks)
