"""From raw text to answers: BERT pre-trained on lines of text, then taught to mark the part of a text that answers."""

import pytest

pytestmark = pytest.mark.slow

SMALL = "--hparams=hidden_size=16,encoder_layers=1,filter_size=32,attention_heads=2,batch_size=512"


def test_a_span_head_is_fine_tuned_from_what_was_pre_trained_and_answers_with_words_of_the_text(command, tmp_path):
    (tmp_path / "text").mkdir()
    for name, count in (("train.txt", 60), ("dev.txt", 12)):
        lines = [f"line {n} says that {n % 7} is near {n % 5}." for n in range(count)]
        (tmp_path / "text" / name).write_text("\n".join(lines) + "\n")
    flags = ["--hparams_set=bert_tiny", SMALL, "--tmp_dir=.", "--data_dir=data", "--train_steps=3", "--eval_steps=1"]
    pre = command("trainer", "--problems=sentences_text", "--output_dir=pre", *flags)
    assert pre.returncode == 0, pre.stderr
    tuned = command("trainer", "--problems=qa_villages", "--output_dir=tuned", "--warm_start_from=pre", *flags)
    assert tuned.returncode == 0, tuned.stdout + tuned.stderr
    assert "Weights from" in tuned.stdout + tuned.stderr and "span" in tuned.stdout + tuned.stderr

    text = "Ada lives in Upper Brin. Gus works in Kirk. " * 40  # more than are read at once
    (tmp_path / "in.txt").write_text(f"Where does Ada live?\t{text}\nWhere?\tHere.\n")
    asked = ["--output_dir=tuned", "--decode_from_file=in.txt", "--decode_to_file=out.txt", "--return_beams"]
    done = command("decoder", *asked)
    assert done.returncode == 0, done.stderr
    first, second = (tmp_path / "out.txt").read_text().splitlines()
    assert first.split("\t")[0] in text and second.split("\t")[0] in "Here."

    judged = command("evaluator", "--output_dir=tuned", "--data_dir=data", "--eval_examples=20")
    assert judged.returncode == 0, judged.stderr
    assert "F1" in judged.stdout and "exact" in judged.stdout
