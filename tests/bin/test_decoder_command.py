import io
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from t2t_mm.bin.decoder import main
from t2t_mm.data.brackets import read_tree
from t2t_mm.opened_run import open_run


@pytest.fixture(scope="module")
def answers(untrained_run, pictures):
    """What the library says of each picture: its classes with their probabilities, best first."""
    paths = sorted(pictures.glob("?.png"))
    results = open_run(untrained_run).decoder.decode("image_shapes", [path.read_bytes() for path in paths])
    return {path.name: result.answers for path, result in zip(paths, results, strict=True)}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of four pictures, 0.png to 3.png, of noise."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(4):
        pixels_HWC = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8) // (number + 1)
        Image.fromarray(pixels_HWC).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG and no more")
    return folder


def test_lines_that_name_pictures_are_answered_in_order_and_bad_ones_leave_an_empty_line(
    untrained_run, pictures, answers, tmp_path, capsys
):
    lines = ["2.png", "0.png", "missing.png", "", "broken.png", "3.png\r", "2.png", "1.png"]
    (pictures / "list.txt").write_bytes("\n".join(lines).encode() + b"\n\xff.png")
    out = tmp_path / "new" / "out.txt"
    code = main(
        [
            f"--output_dir={untrained_run}",
            "--problem=image_shapes",
            f"--decode_from_file={pictures / 'list.txt'}",
            f"--decode_to_file={out}",
            "--decode_batch_size=2",
        ]
    )
    best = {name: choices[0].text for name, choices in answers.items()}
    names = ["2.png", "0.png", None, None, None, "3.png", "2.png", "1.png", None]
    assert out.read_text() == "".join(f"{best[name] if name else ''}\n" for name in names)
    said = capsys.readouterr().err.splitlines()
    assert code == 1
    assert said[-1] == "t2t-mm-decoder: 4 of 9 lines could not be decoded; their answers are empty lines."
    for number, reason in ((3, "missing.png can't be read"), (4, "nothing"), (5, "no picture"), (9, "no UTF-8")):
        assert [line for line in said if line.startswith(f"t2t-mm-decoder: line {number}: ") and reason in line], reason
    assert [path.name for path in out.parent.iterdir()] == ["out.txt"]


def test_return_beams_gives_classes_with_probabilities_on_standard_output(
    untrained_run, pictures, answers, capsys, monkeypatch
):
    monkeypatch.chdir(pictures)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"1.png\n3.png")))
    arguments = [f"--output_dir={untrained_run}", "--problem=image_shapes", "--decode_from_file=-", "--return_beams"]
    assert main(arguments) == 0
    expected = ["\t".join(f"{one.text}\t{one.score:.4f}" for one in answers[name][:5]) for name in ("1.png", "3.png")]
    assert capsys.readouterr().out.splitlines() == expected


def test_trees_come_back_over_the_words_of_their_sentences(untrained_run, tmp_path):
    sentences = ["the dog sleeps", "a cat sees the ( big ) dog", "dog", "the dog sleeps"]
    (tmp_path / "in.txt").write_text("\n".join(sentences))
    arguments = [
        f"--output_dir={untrained_run}",
        "--problem=parsing_grammar",
        f"--decode_from_file={tmp_path / 'in.txt'}",
        f"--decode_to_file={tmp_path / 'out.txt'}",
        "--beam_size=1",
        "--decode_extra_length=0",
    ]
    assert main(arguments) == 0
    trees = (tmp_path / "out.txt").read_text().splitlines()
    words = [" ".join(read_tree(tree).words).replace("-LRB-", "(").replace("-RRB-", ")") for tree in trees]
    assert words == sentences
    assert trees[0] == trees[3]


def test_what_is_typed_is_answered_and_no_slip_ends_it(untrained_run, pictures, answers, capsys, monkeypatch):
    typed = ["0.png", "problem=image_shape", "problem=image_shapes", "", "nothing.png", "0.png", "2.png"]
    monkeypatch.chdir(pictures)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(typed)))
    assert main([f"--output_dir={untrained_run}", "--decode_interactive"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [answers["0.png"][0].text, answers["2.png"][0].text]
    slips = [line for line in said.err.splitlines() if not line.startswith("t2t-mm-decoder: decoding with")][1:]
    for slip, expected in zip(
        slips, ["Choose a problem first", "Did you mean 'image_shapes'", "nothing.png can't be read"], strict=True
    ):
        assert expected in slip


@pytest.mark.parametrize(
    "change, said",
    [
        ({"--output_dir": "nowhere"}, "nowhere holds no run"),
        ({"--problem": "image_shape"}, "named 'image_shape'. Did you mean 'image_shapes'"),
        ({"--problem": None}, "--problem is missing: the run learnt image_shapes, parsing_grammar, translate"),
        ({"--decode_from_file": "absent.txt"}, "--decode_from_file=absent.txt can't be read: No such file"),
        ({"--decode_from_file": "."}, "can't be read: Is a directory"),
        ({"--decode_to_file": "."}, "is a folder; name a file"),
        ({"--decode_to_file": "in.txt"}, "in.txt is the file to decode; choose another"),
        ({"--decode_to_file": "in.txt/out.txt"}, "could not be written"),
        ({"--alpha": "-1"}, "alpha must be at least 0. Received: -1"),
        ({"--decode_interactive": "true"}, "not both"),
        ({"--checkpoint_path": "model.ckpt-3"}, "There is no checkpoint model.ckpt-3"),
    ],
)
def test_a_slip_is_one_sentence_and_writes_nothing(untrained_run, tmp_path, capsys, monkeypatch, change, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("a.png\n")
    arguments = {
        "--output_dir": str(untrained_run),
        "--problem": "image_shapes",
        "--decode_from_file": "in.txt",
        "--decode_to_file": "out.txt",
    }
    assert main([f"{flag}={value}" for flag, value in (arguments | change).items() if value is not None]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("t2t-mm-decoder: ") and said in printed.err
    assert printed.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt"]


def test_a_run_of_one_problem_needs_no_problem_named(untrained_run, pictures, answers, tmp_path, capsys):
    from dataclasses import replace

    from t2t_mm import rundir

    run = shutil.copytree(untrained_run, tmp_path / "run")
    config = rundir.load(run)
    rundir.save(replace(config, problems={"image_shapes": config.problems["image_shapes"]}), run)
    (pictures / "one.txt").write_text("3.png\n")
    assert main([f"--output_dir={run}", f"--decode_from_file={pictures / 'one.txt'}"]) == 0
    assert capsys.readouterr().out == f"{answers['3.png'][0].text}\n"


def test_help_needs_neither_keras_nor_numpy(command):
    done = command("-c", "import sys, t2t_mm.bin.decoder; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not {"tensorflow", "keras", "jax", "numpy"} & set(done.stdout.split())
