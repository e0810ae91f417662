"""t2t-mm-decoder on a trained language model: lines are beginnings, which it goes on with."""

import io
import json
import sys

import pytest

from t2t_mm import runs
from t2t_mm.bin import evaluator
from t2t_mm.bin.decoder import main

ROUND = "abcdef "  # what follows each character is certain; stretches of 180 begin anywhere in it
HPARAMS = "hidden_size=16,encoder_layers=0,statistics_steps=180,batch_size=1440,learning_rate=0.02"
BEGINNINGS = ["cdef ab", "", "d", " a"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A bn_lstm that learnt from text8's layout how ROUND goes on."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "text8").write_text(ROUND * 1000)
    places = {"data_dir": folder / "data", "tmp_dir": folder, "output_dir": folder / "run"}
    started = runs.run(["lm_text8"], "bn_lstm_tiny", HPARAMS, **places, train_steps=60, report=lambda line: None)
    started.trainer.train()
    return folder


@pytest.fixture
def decoded(run, capsys, tmp_path):
    """What the decoder prints for lines of a file, with its exit code and what it says of slips."""

    def decode(lines, *flags):
        (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in lines))
        code = main([f"--output_dir={run / 'run'}", f"--decode_from_file={tmp_path / 'in.txt'}", *flags])
        said = capsys.readouterr()
        return said.out.splitlines(), code, said.err

    return decode


def goes_on(beginning, more):
    """`beginning` and `more` characters that are certain."""
    first = ROUND.index(beginning[-1]) + 1
    return beginning + "".join(ROUND[(first + place) % len(ROUND)] for place in range(more))


@pytest.mark.parametrize("search", ["--beam_size=1", "--beam_size=3", "--sampling_method=random"])
def test_every_line_is_gone_on_with_and_an_empty_one_begins_from_nothing(decoded, search):
    drawn = ["--sampling_temp=0.2"] if "sampling" in search else []
    lines, code, _ = decoded(BEGINNINGS, "--decode_extra_length=9", search, *drawn)
    assert code == 0
    assert [line for line in lines if line != lines[1]] == [goes_on(one, 9) for one in BEGINNINGS if one]
    assert len(lines[1]) == 9 and lines[1] == goes_on(lines[1][0], 8)


def test_json_keeps_the_beginning_and_a_character_it_never_saw_is_said(decoded):
    asked = [json.dumps({"inputs": text, "id": number}) for number, text in enumerate(["cd", "cdx", ""])]
    lines, code, said = decoded(asked, "--decode_output_format=jsonl", "--decode_extra_length=4", "--beam_size=1")
    found = [json.loads(line) for line in lines]
    assert code == 1 and "line 2: Its character 3, 'x', is not one of the 7 that the model was trained on" in said
    assert (found[0]["problem"], found[0]["id"], found[0]["inputs"]) == ("lm_text8", 0, "cd")
    [output] = found[0]["outputs"]
    assert output["text"] == goes_on("cd", 4) and output["whole"] is False  # running text has no end
    assert "outputs" not in found[1] and len(found[2]["outputs"][0]["text"]) == 4


def test_samples_of_a_line_are_several_ways_to_go_on(decoded):
    flags = ["--sampling_method=random", "--sampling_temp=5", "--num_samples=4", "--decode_extra_length=9"]
    [line], code, _ = decoded(["abc"], *flags)
    texts = line.split("\t")[::2]
    assert code == 0 and len(set(texts)) == 4 and all(text.startswith("abc") for text in texts)


def test_what_is_typed_is_gone_on_with_too_its_last_blank_included(run, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("ab\ndef \n\nxyz\n"))
    assert (
        main([f"--output_dir={run / 'run'}", "--decode_interactive", "--beam_size=1", "--decode_extra_length=2"]) == 0
    )
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == ["abcd", "def ab"] and len(said.out.splitlines()) == 3
    assert "Its character 1, 'x', is not one" in said.err


def test_the_evaluation_gives_bits_per_character(run, capsys):
    assert evaluator.main([f"--output_dir={run / 'run'}", f"--data_dir={run / 'data'}"]) == 0
    shown = capsys.readouterr().out
    assert "bits per character" in shown
    [path] = (run / "run" / "eval").glob("decoded-*.json")
    forced = json.loads(path.read_text())["problems"]["lm_text8"]["teacher_forced"]
    assert forced["bits_per_character"] == pytest.approx(forced["log_perplexity"] / 0.6931472, rel=1e-5)
    assert 0 < forced["bits_per_character"] < 0.5  # the first character of a stretch alone has to be guessed
