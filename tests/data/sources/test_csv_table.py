"""Tables of comma-separated values, a fifth of them held out by hash."""

import pytest

from t2t_mm.data.sources.csv_table import CsvTable
from t2t_mm.data.sources.hash_split import in_part
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN

TABLE = CsvTable("uci/pairs.csv", columns=2, homepage="example.org")


def write(tmp_path, text):
    (tmp_path / "uci").mkdir(exist_ok=True)
    (tmp_path / "uci" / "pairs.csv").write_text(text, newline="")


def test_each_row_is_in_one_split_by_the_hash_of_its_values(tmp_path):
    write(tmp_path, "\r\n".join(f"{n}, {n * n},{'even odd'.split()[n % 2]}" for n in range(50)) + "\r\n")
    assert TABLE.splits(tmp_path) == (TRAIN, DEV)
    actual = {split: list(TABLE.examples(split, tmp_path)) for split in (TRAIN, DEV)}
    dev = [n for n in range(50) if in_part(f"{n},{n * n}", 5)]
    assert [example.id for example in actual[DEV]] == [f"pairs/{n + 1}" for n in dev]
    assert [example.values["inputs"] for example in actual[DEV]] == [[str(n), str(n * n)] for n in dev]
    assert {example.values["targets"] for example in actual[DEV]} == {"even", "odd"}
    assert len(actual[TRAIN]) + len(dev) == 50 and 0 < len(dev) < 20 and TABLE.count(DEV, tmp_path) == len(dev)


def test_equal_rows_stand_on_one_side_and_empty_lines_count_as_lines(tmp_path):
    write(tmp_path, "".join(f"{n},1,a\n\n{n},1,b\n" for n in range(20)))
    for split in (TRAIN, DEV):
        lines = [int(example.id.removeprefix("pairs/")) for example in TABLE.examples(split, tmp_path)]
        assert lines and all(second == first + 2 for first, second in zip(lines[::2], lines[1::2], strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,a\n3,b\n", "line 2: expected 2 values and a class. Found: 2 fields."),
        ("1,2,a\n", "holds too few rows to hold out a fifth of them by hash: 1."),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, text, message):
    write(tmp_path, text)
    with pytest.raises(UserError) as refused:
        TABLE.splits(tmp_path)
    assert message in str(refused.value) and "pairs.csv" in str(refused.value)


def test_a_table_that_is_not_there_is_named_with_its_home(tmp_path):
    assert not TABLE.present(tmp_path)
    with pytest.raises(UserError, match=r"There is no .*pairs\.csv\. Get it from example\.org\."):
        TABLE.splits(tmp_path)
