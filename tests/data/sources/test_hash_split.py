"""The hash rule: about a tenth, and always the same one."""

import pytest

from t2t_mm.data.sources.hash_split import by_hash, in_dev
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN


def test_about_a_tenth_is_held_out():
    assert 900 < sum(in_dev(f"train/cat/{number}.jpg") for number in range(10_000)) < 1100


def test_the_rule_is_the_same_on_every_machine():
    # The published SHA-256 of "0" begins 5feceb66ffc86f38, that of "abc" ba7816bf8f01cfea.
    assert 0x5FECEB66FFC86F38 % 10 == 0 and in_dev("0")
    assert 0xBA7816BF8F01CFEA % 10 == 4 and not in_dev("abc")
    assert [number for number in range(40) if in_dev(str(number))] == [0, 7, 9, 10, 33]


def test_ids_are_parted_in_their_order(tmp_path):
    ids = [str(number) for number in range(99, -1, -1)]
    parts = by_hash(ids, tmp_path, "images")
    assert parts == {TRAIN: [id for id in ids if not in_dev(id)], DEV: [id for id in ids if in_dev(id)]}


def test_too_few_to_part_are_refused(tmp_path):
    with pytest.raises(
        UserError, match=f"{tmp_path} holds too few audio files to hold out a tenth of them by hash: 0."
    ):
        by_hash([], tmp_path, "audio files")
