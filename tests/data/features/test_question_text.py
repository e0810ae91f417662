"""Questions on long texts, from SQuAD's layout to batches: a window where training draws one, all of them elsewhere."""

import json

import numpy as np
import pytest

from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.question_text import QuestionTextCodec
from t2t_mm.data.features.span import Marked
from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.check_records import check_splits
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams
from t2t_mm.registry import PROBLEMS
from t2t_mm.train.memory.max_positions import check_positions

HPARAMS = DataHparams(max_length=40, window_stride=16, batch_size=160)
QUESTION = "Where is the stone?"
LONG = " ".join(f"House {n} is in village {n % 9}." for n in range(20)) + " The stone is in Brin. It is old."
SHORT = "The stone is in Kirk."


def question_and_answers(id, context, *answers):
    actual = [{"text": words, "answer_start": context.index(words)} for words in answers]
    return {"context": context, "qas": [{"id": id, "question": QUESTION, "answers": actual}]}


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """qa_squad of two questions in each split, the first of them on a text of many windows."""
    folder = tmp_path_factory.mktemp("squad")
    (folder / "squad").mkdir()
    for split in ("train", "dev"):
        paragraphs = [
            question_and_answers("long", LONG, "Brin", "in Brin"),
            question_and_answers("short", SHORT, "Kirk"),
        ]
        content = {"version": "1.1", "data": [{"title": "x", "paragraphs": paragraphs}]}
        (folder / "squad" / f"{split}-v1.1.json").write_text(json.dumps(content))
    generate({"qa_squad": PROBLEMS["qa_squad"]}, folder / "data", folder, report=lambda line: None)
    return open_problem("qa_squad", PROBLEMS["qa_squad"], folder / "data")


def marked(ready, batch):
    """By example, the ids between the places of each of its rows, in words; [CLS] is the empty text."""
    codec, actual = ready.codecs["inputs"], {}
    for row, id in enumerate(batch.ids):
        first, last = batch.arrays["targets"]["places"][row]
        ids_L = batch.arrays["inputs"]["ids"][row, first : last + 1]
        actual.setdefault(id, []).append(" ".join(codec.split(ids_L)).strip())
    return actual


def stored(ready, text, *answers):
    marks = tuple((words, text.index(words)) for words in answers)
    return ready.codecs["targets"].store(Marked(QUESTION, text, marks))


def test_evaluation_reads_every_window_of_a_text_once_for_each_right_answer(ready):
    dev = Batches(ready, "dev", HPARAMS, seed=0, training=False)
    assert dev.examples == 2 and dev.dropped == 0
    rows = {id: window_answers for batch in dev.stream() for id, window_answers in marked(ready, batch).items()}
    count = len(ready.codecs["targets"].windows(stored(ready, LONG, "Brin"), HPARAMS))
    assert count > 4 and len(rows["dev/long"]) == 2 * count
    assert rows["dev/short"] == ["Kirk"]
    for window_answers, answer in ((rows["dev/long"][:count], "Brin"), (rows["dev/long"][count:], "in Brin")):
        assert set(window_answers) == {"", answer} and window_answers[0] == ""


def test_a_batch_of_evaluation_has_the_fewer_texts_the_more_windows_they_have(ready):
    dev = Batches(ready, "dev", DataHparams(max_length=40, window_stride=16, batch_size=400), seed=0, training=False)
    shapes = {batch.ids[0]: batch.arrays["inputs"]["ids"].shape for batch in dev.stream()}
    assert len(dev) == 2 and all(length <= 40 for _, length in shapes.values())
    assert dev.plan.buckets[0].rows != dev.plan.buckets[1].rows


def test_a_text_takes_the_positions_of_all_its_windows(ready):
    codec = ready.codecs["inputs"]
    # 40 ids a window, 16 further on: a text of 100 ids ends in the fifth, 40 + 16 + 16 + 16 + 16 >= 100.
    assert [codec.positions(length, HPARAMS) for length in (7, 40, 41, 100)] == [7, 40, 80, 200]


def test_training_draws_a_window_anew_in_each_epoch_and_leaves_nothing_out(ready):
    train = Batches(ready, "train", HPARAMS, seed=0, training=True)
    assert (train.examples, train.dropped) == (2, 0)
    seen = set()
    for position in range(400 * len(train)):
        batch = train.batch(position)
        assert len(set(batch.ids)) == len(batch.ids) and batch.arrays["inputs"]["ids"].shape[1] <= 40
        again = train.batch(position)
        np.testing.assert_array_equal(batch.arrays["inputs"]["ids"], again.arrays["inputs"]["ids"])
        for window_answers in marked(ready, batch).get("train/long", []):
            seen.add(window_answers)
    assert seen == {"", "Brin", "in Brin"}


def test_no_run_is_refused_for_a_long_text_unless_windows_are_longer_than_what_it_has_room_for(ready):
    check_positions(ready, 40, HPARAMS)
    with pytest.raises(UserError, match="take 40 positions, and the model has 39. Raise max_positions .* lower max_l"):
        check_positions(ready, 39, HPARAMS)
    assert [(each.too_long, each.faults) for each in check_splits(ready, HPARAMS, None)] == [(0, ()), (0, ())]


def test_windows_hold_the_question_and_follow_one_another(ready):
    codec: QuestionTextCodec = ready.codecs["inputs"]
    complete = codec.store((QUESTION, LONG))
    parts = [codec.value(window) for window in codec.windows(complete, HPARAMS)]
    assert all(question == codec.value(complete)[0] for question, _ in parts)
    assert parts[0][1].startswith("House 0 is") and parts[-1][1].endswith("It is old.")
    assert codec.windows(codec.store((QUESTION, SHORT)), HPARAMS) == [codec.store((QUESTION, SHORT))]
    assert max(codec.length(window) for window in codec.windows(complete, HPARAMS)) == 40
    assert (codec.read_length(39, HPARAMS), codec.read_length(500, HPARAMS)) == (39, 40)


def test_a_question_without_a_text_is_refused(ready):
    with pytest.raises(UserError, match="a question and a text, separated by a tab; received 'Where"):
        ready.codecs["inputs"].store("Where?")
