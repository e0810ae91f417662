"""Make brackets.json, with EVALB's counts for pairs of trees: the tests of bracket F1 compare with them.

    python tests/golden/make_brackets.py --evalb=<EVALB's program> --parameters=<its COLLINS.prm>

EVALB is had from https://nlp.cs.nyu.edu/evalb. The pairs below are hard cases made up by hand, and random ones behind.
"""

import argparse
import json
import random
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

HARD = {  # what is hard about it: (right tree, output)
    "the same": ("(S (NP (DT the) (NN dog)) (VP (VBZ barks)))", "(S (NP (DT the) (NN dog)) (VP (VBZ barks)))"),
    "another label": ("(S (NP (DT the) (NN dog)) (VP (VBZ barks)))", "(S (VP (DT the) (NN dog)) (VP (VBZ barks)))"),
    "another tag": ("(S (NP (DT the) (NN dog)) (VP (VBZ barks)))", "(S (NP (DT the) (JJ dog)) (VP (NNS barks)))"),
    "a bracket too few": ("(S (NP (DT the) (NN dog)) (VP (VBZ barks)))", "(S (NP (DT the) (NN dog)) (VBZ barks))"),
    "a bracket too many": ("(S (NN dogs) (VBP bark))", "(S (NP (NN dogs)) (VBP bark))"),
    "crossing": ("(S (NP (A a) (B b)) (C c))", "(S (A a) (NP (B b) (C c)))"),
    "twice in the right tree": ("(S (NP (NP (NN dogs))) (VBP bark))", "(S (NP (NN dogs)) (VBP bark))"),
    "twice in the output": ("(S (NP (NN dogs)) (VBP bark))", "(S (NP (NP (NN dogs))) (VBP bark))"),
    "three times and twice": ("(NP (NP (NP (NN dogs))))", "(NP (NP (NN dogs)))"),
    "a chain": ("(S (VP (NP (NN dogs))))", "(S (VP (NP (NN dogs))))"),
    "a chain in another order": ("(S (VP (NP (NN dogs))))", "(NP (S (VP (NN dogs))))"),
    "a chain with a label of its own": ("(S (VP (NP (NN dogs))))", "(S (PP (NP (NN dogs))))"),
    "a chain broken off": ("(S (VP (NP (NN dogs))))", "(S (NN dogs))"),
    "no bracket at all": ("(S (NN dogs))", "(NN dogs)"),
    "particle as adverb": ("(VP (VB give) (PRT (RP up)))", "(VP (VB give) (ADVP (RP up)))"),
    "adverb as particle": ("(VP (VB give) (ADVP (RB up)))", "(VP (VB give) (PRT (RB up)))"),
    "both in the right tree": ("(VP (VB give) (ADVP (PRT (RP up))))", "(VP (VB give) (PRT (RP up)))"),
    "both, the other way round": ("(VP (VB give) (ADVP (PRT (RP up))))", "(VP (VB give) (PRT (ADVP (RP up))))"),
    "a comma elsewhere": ("(S (NP (NN dogs)) (, ,) (VP (VBP bark)))", "(S (NP (NN dogs) (, ,)) (VP (VBP bark)))"),
    "a full stop inside": ("(S (NP (NN dogs)) (VP (VBP bark)) (. .))", "(S (NP (NN dogs)) (VP (VBP bark) (. !)))"),
    "quotes and a colon": ("(S (`` ``) (NP (NN dogs)) (: --) ('' ''))", "(S (NP (`` ``) (NN dogs)) (: --) ('' ''))"),
    "a bracket of punctuation alone": ("(S (NN dogs) (PRN (, ,) (: ;)))", "(S (NN dogs) (, ,) (: ;))"),
    "an escaped bracket is a word": ("(S (NN dogs) (PRN (-LRB- -LRB-)))", "(S (NN dogs) (-LRB- -LRB-))"),
    "a comma tagged as a noun": (
        "(S (NP (NN dogs)) (, ,) (VP (VBP bark)))",
        "(S (NP (NN dogs)) (NN ,) (VP (VBP bark)))",
    ),
    "a noun tagged as a comma": ("(S (NP (NN dogs)) (, ,) (VP (VBP bark)))", "(S (NP (, dogs)) (, ,) (VP (VBP bark)))"),
    "tags of punctuation swapped": ("(S (NN dogs) (, ,) (VBP bark) (. .))", "(S (NN dogs) (. ,) (VBP bark) (, .))"),
    "a noun and a comma swap tags": ("(S (NP (NN dogs)) (, ,))", "(S (NP (, dogs)) (NN ,))"),
    "no output": ("(S (NP (NN dogs)))", ""),
    "an output of punctuation": ("(S (NP (NN dogs)))", "(S (. dogs))"),
    "a right tree of punctuation": ("(S (. !))", "(S (NP (NN !)))"),
    "both of punctuation": ("(S (. !))", "(S (. !))"),
    "a word too few": ("(S (NN dogs) (VBP bark))", "(S (NN dogs))"),
    "a word too many": ("(S (NN dogs))", "(S (NN dogs) (VBP bark))"),
    "another word": ("(S (NN dogs))", "(S (NN Dogs))"),
    "wrapped in TOP": ("(S (NP (NN dogs)))", "(TOP (S (NP (NN dogs))))"),
    "TOP within": ("(S (TOP (NN dogs)))", "(S (NN dogs))"),
    "function tags": ("(S (NP-SBJ-1 (NN dogs)) (NP=2 (NN cats)))", "(S (NP (NN dogs)) (NP (NN cats)))"),
    "traces": ("(S (NP (-NONE- *)) (VP (VB bark) (NP (-NONE- *T*-1))))", "(S (VP (VB bark)))"),
    "never closed": ("(S (NP (NN dogs)))", "(S (NP (NN dogs))"),
    "never opened": ("(S (NP (NN dogs)))", "(S (NP (NN dogs))))"),
    "two trees side by side": ("(S (NP (NN dogs)) (VP (VB bark)))", "(NP (NN dogs)) (VP (VB bark))"),
    "nothing but words": ("(S (NP (NN dogs)) (VP (VB bark)))", "(X (XX dogs) (XX bark))"),
}
LABELS = ("S", "NP", "NP", "VP", "PP", "ADVP", "PRT", "NP-SBJ", "TOP")
TAGS = ("NN", "DT", "VB", "IN", ",", ".", ":", "``", "-NONE-")
RANDOM = 80


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evalb", type=Path, required=True)
    parser.add_argument("--parameters", type=Path, required=True)
    options = parser.parse_args()
    rng = random.Random(5)
    pairs = HARD | {f"random {number}": random_pair(rng) for number in range(RANDOM)}
    with TemporaryDirectory() as folder:
        for name, side in (("right", 0), ("output", 1)):
            (Path(folder) / name).write_text("".join(f"{pair[side]}\n" for pair in pairs.values()))
        files = [str(Path(folder) / name) for name in ("right", "output")]
        command = [str(options.evalb.resolve()), "-p", str(options.parameters), "-e", "1000", *files]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    table, _, summary = printed.partition("=== Summary ===")
    rows = [line.split() for line in table.splitlines() if line.split()[:1] and line.split()[0].isdigit()]
    cases = [
        {"case": case, "right": right, "output": output} | read_row(row)
        for (case, (right, output)), row in zip(pairs.items(), rows[: len(pairs)], strict=True)
    ]
    measures = dict(line.split("=") for line in summary.partition("-- len")[0].splitlines() if "=" in line)
    total = {name.strip(): float(value) for name, value in measures.items()}
    Path(__file__).with_name("brackets.json").write_text(json.dumps({"cases": cases, "total": total}, indent=1) + "\n")


def read_row(row: list[str]) -> dict[str, int]:
    """Return the numbers of a line of EVALB's table. Status 0 counts, 1 is an error, 2 a sentence that is skipped."""
    status, matched, gold, test = (int(row[place]) for place in (2, 5, 6, 7))
    return {"status": status, "matched": matched, "in_right": gold, "in_output": test}


def random_pair(rng: random.Random) -> tuple[str, str]:
    """Return two trees over the same words, now and then with different tags."""
    count = rng.randint(1, 9)
    leaves = [(rng.choice(TAGS), f"w{place}") for place in range(count)]
    other = [(rng.choice(TAGS), word) if rng.random() < 0.04 else (tag, word) for tag, word in leaves]
    shape = rng.random()
    right = random_tree(leaves, random.Random(shape))
    return right, random_tree(other, random.Random(shape if rng.random() < 0.3 else rng.random()))


def random_tree(leaves: list[tuple[str, str]], rng: random.Random, depth: int = 0) -> str:
    """Return a constituent over `leaves`; chains of one child are likely."""
    if len(leaves) == 1 and (depth > 4 or rng.random() < 0.5):
        return f"({leaves[0][0]} {leaves[0][1]})"
    cuts = sorted(rng.sample(range(1, len(leaves)), min(len(leaves) - 1, rng.randint(0, 2))))
    if depth > 6 and not cuts:
        cuts = list(range(1, len(leaves)))
    parts = [leaves[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(leaves)], strict=True)]
    return f"({rng.choice(LABELS)} {' '.join(random_tree(part, rng, depth + 1) for part in parts)})"


if __name__ == "__main__":
    main()
