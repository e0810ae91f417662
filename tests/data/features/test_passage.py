"""A text with a question: how it is stored, batched and shown, and the published files."""

import pytest

from t2t_mm.data.features.passage import Passage, PassageQuestion, read_question
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

FEATURE = Passage("news", size=5)
ASKED = PassageQuestion("@entity1 met @entity2 .", "@placeholder met @entity2")
FILE = """http://example.org/story

@entity1 met @entity2 .

@placeholder met @entity2

@entity1

@entity1:Ada
@entity2:Tom
"""


@pytest.fixture
def codec(tmp_path):
    lines = []
    samples = {"news": [FEATURE.sample(ASKED), FEATURE.sample(PassageQuestion("zebra", "met ."))]}
    FEATURE.prepare(tmp_path, [FEATURE], samples, 0, lines.append)
    assert lines == ["words.news.txt: 5 of 6 words of news."]
    return FEATURE.open(tmp_path)


def test_the_most_frequent_words_are_known(codec):
    assert codec.words == ["met", ".", "@entity2", "@entity1", "@placeholder"]  # 3, 2, 2, 1, 1; equals by name
    assert (codec.port.modality, codec.port.key, codec.port.size) == ("passage", "passage_news", 8)


def test_text_and_question_come_back_with_unknown_words_marked(codec):
    stored = codec.store(ASKED)
    assert codec.value(stored) == ASKED and codec.length(stored) == 7
    value = codec.value(codec.store(PassageQuestion("zebra met", "met")))
    assert value == PassageQuestion("<unk> met", "met") and codec.store(value) == codec.store(
        PassageQuestion("zebra met", "met")
    )
    assert codec.show(codec.load(stored, DataHparams(), None)) == f"{ASKED.question} | {ASKED.document}"


def test_a_batch_holds_texts_and_questions_side_by_side(codec):
    values = [
        codec.load(codec.store(passage), DataHparams(), None) for passage in (ASKED, PassageQuestion("met .", "met"))
    ]
    batch = codec.batch(values, 3, 12)
    assert batch["ids"].shape == (3, 12) and batch["question"].shape == (3, 16)
    assert batch["ids"][0, :4].tolist() == [6, 3, 5, 4] and not batch["ids"][0, 4:].any()
    assert batch["question"][0, :3].tolist() == [7, 3, 5]
    assert batch["lengths"].tolist() == [4, 2, 0] and batch["question_lengths"].tolist() == [3, 1, 0]
    assert batch.keys() == codec.spec(DataHparams()).keys()


def test_a_published_file_is_read(codec, tmp_path):
    assert read_question(FILE, "one.question") == (ASKED, "@entity1")
    (tmp_path / "one.question").write_text(FILE)
    assert codec.parse("one.question", tmp_path) == ASKED


@pytest.mark.parametrize("content", ["", "http://x\n\ntext\n\nquestion\n", "http://x\n\n \n\nq\n\n@entity1\n"])
def test_a_file_of_another_layout_is_told_by_name(content):
    with pytest.raises(UserError, match="one.question should hold an address, a text, a question and an answer"):
        read_question(content, "one.question")


def test_nothing_to_ask_is_refused_and_a_missing_list_told(codec, tmp_path):
    with pytest.raises(UserError, match="each have at least one word"):
        codec.store(PassageQuestion("text", ""))
    with pytest.raises(UserError, match="No list of words at .*words.other.txt"):
        Passage("other", size=5).open(tmp_path)
