"""Tables about a new run."""

import numpy as np

from t2t_mm.run_tools.surgery.fit import fit
from t2t_mm.run_tools.surgery.report import experts_table, parts_table, sizes_table

EXPERTS = "net/body/encoder/experts"


def test_a_part_has_a_row_for_each_kind_of_change():
    there = {
        f"{EXPERTS}/gate": np.zeros((2, 3)),
        f"{EXPERTS}/gate/m": np.zeros((2, 3)),
        "net/body/encoder/norm/scale": np.zeros(2),
        "net/text_a/embed/rows": np.zeros((7, 2)),
        "steps/text_a/embed": np.zeros(1),
        "steps/body/encoder": np.zeros(1),
    }
    here = {
        f"{EXPERTS}/gate": np.zeros((2, 2)),
        f"{EXPERTS}/gate/m": np.zeros((2, 2)),
        "net/body/encoder/norm/scale": np.zeros(2),
        "net/text_b/embed/rows": np.zeros((5, 2)),
        "net/text_b/embed/rows/m": np.zeros((5, 2)),
        "steps/body/encoder": np.zeros(1),
    }
    table = parts_table("title", there, fit(there, here, {EXPERTS: np.array([0, 2])}))
    assert table.rows == [
        ("body/encoder", "experts pruned", "1", "4", "(2, 3) to (2, 2)"),
        ("body/encoder", "kept", "1", "2", "(2,)"),
        ("text_a/embed", "dropped", "1", "14", "(7, 2)"),
        ("text_b/embed", "new", "1", "10", "(5, 2)"),
    ]
    assert table.notes == [
        "Parameters: 22 before, 16 now.",
        "Slots of the optimizer and step counts: 1 kept, 1 pruned, 1 new, 1 dropped.",
    ]


def test_only_the_largest_of_many_shapes_are_shown():
    grouped = {f"net/text_a/embed/{size}": np.zeros(size) for size in range(1, 6)}
    assert parts_table("title", grouped, fit(grouped, grouped, {})).rows == [
        ("text_a/embed", "kept", "5", "15", "(5,), (4,), (3,) and 2 others")
    ]


def test_experts_are_shown_with_their_shares_of_the_choices():
    table = experts_table({"encoder/experts": np.array([5.0, 0, 3, 2])}, {EXPERTS: np.array([0, 2])}, "here")
    assert table.rows == [("encoder/experts", "4", "3", "50.0%", "25.0%", "2", "20.00%")]
    table = experts_table({"encoder/experts": np.array([5.0, 5])}, {}, "here")
    assert table.rows == [("encoder/experts", "2", "2", "50.0%", "50.0%", "2", "0.00%")]


def test_files_are_shown_with_their_sizes_before_and_now(tmp_path):
    for folder, size in (("old", 1234), ("new", 56)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.ckpt-7.safetensors").write_bytes(b"x" * size)
    (tmp_path / "old" / "classes.txt").write_text("abc")
    table = sizes_table(*(tmp_path / name / "model.ckpt-7.safetensors" for name in ("old", "new")), ["classes.txt"])
    assert table.rows == [("model.ckpt-7.safetensors", "1,234", "56"), ("classes.txt", "3", "-")]
