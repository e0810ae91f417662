"""t2t-mm-decoder on a trained language model: each line is the beginning of a text, which is continued."""

import io
import json
import sys

import pytest

from t2t_mm import runs
from t2t_mm.bin import evaluator
from t2t_mm.bin.decoder import main
from t2t_mm.run_config import RunConfig

ROUND = "abcdef "  # what follows each character is certain; stretches of 180 begin anywhere in it
HPARAMS = "hidden_size=16,encoder_layers=0,statistics_steps=180,batch_size=1440,learning_rate=0.02"
BEGINNINGS = ["cdef ab", "", "d", " a"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train a bn_lstm on ROUND, in the layout of text8."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "text8").write_text(ROUND * 1000)
    places = {"data_dir": folder / "data", "tmp_dir": folder, "output_dir": folder / "run"}
    started = runs.run(
        RunConfig(problems="lm_text8", hparams_set="bn_lstm_tiny", hparams=HPARAMS, **places, train_steps=60),
        report=lambda line: None,
    )
    started.trainer.train()
    return folder


@pytest.fixture
def decoded(run, capsys, tmp_path):
    """Decode the lines of a file; gives the printed lines, the exit code and the errors."""

    def decode(lines, *flags):
        (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in lines))
        code = main([f"--output_dir={run / 'run'}", f"--decode_from_file={tmp_path / 'in.txt'}", *flags])
        printed = capsys.readouterr()
        return printed.out.splitlines(), code, printed.err

    return decode


def continued(beginning, more):
    """Return `beginning` and `more` characters that are certain."""
    first = ROUND.index(beginning[-1]) + 1
    return beginning + "".join(ROUND[(first + place) % len(ROUND)] for place in range(more))


@pytest.mark.parametrize("search", ["--beam_size=1", "--beam_size=3", "--sampling_method=random"])
def test_every_line_is_continued_and_an_empty_one_starts_a_text(decoded, search):
    drawn = ["--sampling_temp=0.2"] if "sampling" in search else []
    lines, code, _ = decoded(BEGINNINGS, "--decode_extra_length=9", search, *drawn)
    assert code == 0
    assert [line for line in lines if line != lines[1]] == [continued(one, 9) for one in BEGINNINGS if one]
    assert len(lines[1]) == 9 and lines[1] == continued(lines[1][0], 8)


def test_json_keeps_the_beginning_and_an_unknown_character_is_reported(decoded):
    requests = [json.dumps({"inputs": text, "id": number}) for number, text in enumerate(["cd", "cdx", ""])]
    lines, code, errors = decoded(requests, "--decode_output_format=jsonl", "--decode_extra_length=4", "--beam_size=1")
    answers = [json.loads(line) for line in lines]
    assert code == 1 and "line 2: Its character 3, 'x', is not one of the 7 that the model was trained on" in errors
    assert (answers[0]["problem"], answers[0]["id"], answers[0]["inputs"]) == ("lm_text8", 0, "cd")
    [output] = answers[0]["outputs"]
    assert output["text"] == continued("cd", 4) and output["whole"] is False  # running text has no end
    assert "outputs" not in answers[1] and len(answers[2]["outputs"][0]["text"]) == 4


def test_samples_of_a_line_are_several_continuations(decoded):
    flags = ["--sampling_method=random", "--sampling_temp=5", "--num_samples=4", "--decode_extra_length=9"]
    [line], code, _ = decoded(["abc"], *flags)
    texts = line.split("\t")[::2]
    assert code == 0 and len(set(texts)) == 4 and all(text.startswith("abc") for text in texts)


def test_typed_lines_are_continued_with_their_last_blank(run, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("ab\ndef \n\nxyz\n"))
    assert (
        main([f"--output_dir={run / 'run'}", "--decode_interactive", "--beam_size=1", "--decode_extra_length=2"]) == 0
    )
    printed = capsys.readouterr()
    assert printed.out.splitlines()[:2] == ["abcd", "def ab"] and len(printed.out.splitlines()) == 3
    assert "Its character 1, 'x', is not one" in printed.err


def test_the_evaluation_gives_bits_per_character(run, capsys):
    assert evaluator.main([f"--output_dir={run / 'run'}", f"--data_dir={run / 'data'}"]) == 0
    shown = capsys.readouterr().out
    assert "bits per character" in shown
    [path] = (run / "run" / "eval").glob("decoded-*.json")
    forced = json.loads(path.read_text())["problems"]["lm_text8"]["teacher_forced"]
    assert forced["bits_per_character"] == pytest.approx(forced["log_perplexity"] / 0.6931472, rel=1e-5)
    assert 0 < forced["bits_per_character"] < 0.5  # the first character of a stretch alone has to be guessed
