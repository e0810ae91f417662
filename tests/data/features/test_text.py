"""Lines of text as a feature."""

import numpy as np
import pytest

from t2t_mm.data.features import text
from t2t_mm.data.features.text import Text
from t2t_mm.data.vocabulary import EOS
from t2t_mm.errors import UserError
from t2t_mm.feature import ArraySpec, Port
from t2t_mm.hparam_set import DataHparams

LINES = [f"the {colour} dog sees {number} cats" for colour in ("red", "old", "small") for number in range(40)]


def prepare(data_dir, samples, *features):
    report_lines = []
    features = features or (Text(),)
    features[0].prepare(data_dir, features, samples, 0, report_lines.append)
    return report_lines


@pytest.fixture
def codec(tmp_path):
    prepare(tmp_path, {"dogs": LINES})
    return Text().open(tmp_path)


def test_a_line_is_stored_as_its_ids_and_an_end(codec):
    stored = codec.store("the red dog")
    ids = [*codec.vocabulary.encode("the red dog"), EOS]
    assert stored == np.array(ids, "<i4").tobytes()
    assert codec.length(stored) == len(ids)
    assert codec.load(stored, DataHparams(), None).tolist() == ids
    assert codec.symbols(stored).tolist() == ids
    assert codec.value(stored) == "the red dog"


def test_an_empty_line_can_be_decoded_from(codec):
    ids = codec.load(codec.store(""), DataHparams(), None)
    assert ids[-1] == EOS and codec.show(ids) == ""


def test_a_batch_is_padded_with_0_and_rows_without_example_have_length_0(codec):
    arrays = codec.batch([np.array([5, 6, 1]), np.array([7, 1])], rows=3, length=4)
    assert arrays["ids"].tolist() == [[5, 6, 1, 0], [7, 1, 0, 0], [0, 0, 0, 0]]
    assert arrays["lengths"].tolist() == [3, 2, 0]
    assert arrays["ids"].dtype == arrays["lengths"].dtype == np.int32
    assert codec.spec(DataHparams()) == {
        "ids": ArraySpec("int32", (None, None)),
        "lengths": ArraySpec("int32", (None,)),
    }


def test_what_is_shown_ends_at_the_end_and_skips_pads(codec):
    ids = codec.vocabulary.encode("the red dog")
    assert codec.show(np.array([0, *ids, 0, 1, *ids])) == "the red dog"
    assert codec.show(np.array(ids)) == "the red dog"


def test_features_of_one_vocabulary_share_a_port(codec, tmp_path):
    assert codec.port == Port("text", "text_subwords", codec.vocabulary.size)
    assert Text(symbols=("<a>",)).open(tmp_path).port == codec.port
    assert Text("other").files() == ("vocab.other.model",)


def test_a_value_that_is_no_text_is_refused(codec):
    with pytest.raises(UserError, match="received int"):
        codec.store(3)


def test_a_vocabulary_is_made_for_all_problems_of_the_call_with_the_symbols_of_all(tmp_path):
    report_lines = prepare(tmp_path, {"dogs": LINES, "trees": ["<(X>" * 20] * 30}, Text(), Text(symbols=("<(X>",)))
    vocabulary = Text().open(tmp_path).vocabulary
    assert vocabulary.is_one_piece("<(X>")
    assert report_lines[0].startswith(
        "vocab.subwords.model: made from 121 lines of dogs, trees"
    )  # equal lines count once
    assert "8,192 were requested" in report_lines[0]


def test_a_vocabulary_that_is_there_is_kept_and_how_it_fits_is_said(codec, tmp_path):
    before = (tmp_path / "vocab.subwords.model").read_bytes()
    report_lines = prepare(tmp_path, {"chinese": ["\u4e2d\u6587"]}, Text(symbols=("<(X>",)))
    assert (tmp_path / "vocab.subwords.model").read_bytes() == before
    assert "is used for chinese" in report_lines[0]
    assert (
        "0.3 characters, 85.71% are bytes, 0.00% unknown" in report_lines[0]
    )  # two characters in a blank and six bytes
    assert "1 labels" in report_lines[1] and "<(X>" in report_lines[1]


def test_the_sample_is_uniform_bounded_and_the_same_for_equal_seeds():
    lines = [str(number) for number in range(10_000)]
    drawn = text._reservoir_sample(iter(lines), 500, 10**6, seed=1)
    assert len(drawn) == len(set(drawn)) == 500
    assert abs(np.mean([int(line) for line in drawn]) - 5000) < 600  # the mean of 500 uniform draws +- 130
    assert (
        drawn
        == text._reservoir_sample(iter(lines), 500, 10**6, seed=1)
        != text._reservoir_sample(iter(lines), 500, 10**6, seed=2)
    )


def test_the_sample_is_bounded_in_characters_too_without_favouring_the_beginning():
    lines = ["a" * 10] * 500 + ["b" * 10] * 500
    drawn = text._reservoir_sample(lines, 1000, 2000, seed=1)
    assert len(drawn) == 200
    assert 60 < sum(line[0] == "b" for line in drawn) < 140
