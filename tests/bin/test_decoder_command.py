import io
import json
import shutil
import sys

import pytest

from t2t_mm.bin.decoder import main
from t2t_mm.data.features.brackets import read_tree
from t2t_mm.decoding.answers import DecodeOptions
from t2t_mm.run_tools.trained_run import open_run


def test_lines_that_name_images_are_answered_in_order_and_bad_ones_leave_an_empty_line(
    untrained_run, images, answers, tmp_path, capsys
):
    lines = ["2.png", "0.png", "missing.png", "", "broken.png", "3.png\r", "2.png", "1.png"]
    (images / "list.txt").write_bytes("\n".join(lines).encode() + b"\n\xff.png")
    out = tmp_path / "new" / "out.txt"
    code = main(
        [
            f"--output_dir={untrained_run}",
            "--problem=image_shapes",
            f"--decode_from_file={images / 'list.txt'}",
            f"--decode_to_file={out}",
            "--decode_batch_size=2",
        ]
    )
    best = {name: choices[0].text for name, choices in answers.items()}
    names = ["2.png", "0.png", None, None, None, "3.png", "2.png", "1.png", None]
    assert out.read_text() == "".join(f"{best[name] if name else ''}\n" for name in names)
    errors = capsys.readouterr().err.splitlines()
    assert code == 1
    assert errors[-1] == "t2t-mm-decoder: 4 of 9 lines could not be decoded; their answers are empty lines."
    for number, reason in (
        (3, "missing.png can't be read"),
        (4, "The input is empty"),
        (5, "not a readable image"),
        (9, "not UTF-8"),
    ):
        begins = f"t2t-mm-decoder: line {number}: "
        assert [line for line in errors if line.startswith(begins) and reason in line], reason
    assert [path.name for path in out.parent.iterdir()] == ["out.txt"]


def test_return_beams_gives_classes_with_probabilities_on_standard_output(
    untrained_run, images, answers, capsys, monkeypatch
):
    monkeypatch.chdir(images)
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


def test_typed_lines_are_answered_and_no_error_ends_the_session(untrained_run, images, answers, capsys, monkeypatch):
    request = '{"problem": "image_shapes", "inputs": "2.png"}'
    typed = ["dog", "0.png", "problem=image_shape", "problem=image_shapes", "", "nothing.png", "0.png", "dog", request]
    monkeypatch.chdir(images)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(typed)))
    assert main([f"--output_dir={untrained_run}", "--decode_interactive"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [answers[name][0].text for name in ("0.png", "0.png", "2.png")]
    reports = [line for line in printed.err.splitlines() if not line.startswith("t2t-mm-decoder: decoding with")][1:]
    several = "2 problems read text: parsing_grammar, translate_north_south. Choose a problem first: problem=NAME."
    expected = [several, "Did you mean 'image_shapes'", "nothing.png can't be read", "dog can't be read"]
    for report, sentence in zip(reports, expected, strict=True):
        assert sentence in report


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"--output_dir": "nowhere"}, "nowhere holds no run"),
        ({"--problem": "image_shape"}, "named 'image_shape'. Did you mean 'image_shapes'"),
        ({"--decode_from_file": "absent.txt"}, "--decode_from_file=absent.txt can't be read: No such file"),
        ({"--decode_from_file": "."}, "can't be read: Is a directory"),
        ({"--decode_to_file": "."}, "is a folder; name a file"),
        ({"--decode_to_file": "in.txt"}, "in.txt is the file to decode; choose another"),
        ({"--decode_to_file": "in.txt/out.txt"}, "could not be written"),
        ({"--alpha": "-1"}, "alpha must be at least 0. Received: -1"),
        ({"--decode_from_file": "/dev/zero"}, "--decode_from_file=/dev/zero is a device"),
        ({"--decode_interactive": "true"}, "not both"),
        ({"--decode_interactive": "true", "--decode_from_file": None}, "prints its answers"),
        ({"--decode_shards": "3", "--shard_id": "3"}, "--decode_shards=3 are counted from 0 to 2"),
        ({"--shard_id": "1"}, "--shard_id=1"),
        ({"--decode_shards": "2", "--decode_from_file": "-"}, "since standard input is read once"),
        ({"--sampling_temp": "0.5"}, "--sampling_temp is for sampling: add --sampling_method=random"),
        ({"--num_samples": "2"}, "--num_samples is for sampling"),
        ({"--sampling_method": "random", "--sampling_temp": "0"}, "temperature of sampling must be above 0"),
        ({"--checkpoint_path": "model.ckpt-3"}, "There is no checkpoint model.ckpt-3"),
    ],
)
def test_an_error_is_one_sentence_and_writes_nothing(untrained_run, tmp_path, capsys, monkeypatch, change, sentence):
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
    assert printed.err.startswith("t2t-mm-decoder: ") and sentence in printed.err
    assert printed.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt"]


def test_a_run_of_one_problem_needs_no_problem_named(untrained_run, images, answers, tmp_path, capsys):
    from dataclasses import replace

    from t2t_mm import run_directory

    run = shutil.copytree(untrained_run, tmp_path / "run")
    config = run_directory.load(run)
    run_directory.save(replace(config, problems={"image_shapes": config.problems["image_shapes"]}), run)
    (images / "one.txt").write_text("3.png\n")
    assert main([f"--output_dir={run}", f"--decode_from_file={images / 'one.txt'}"]) == 0
    assert capsys.readouterr().out == f"{answers['3.png'][0].text}\n"


def test_importing_the_decoder_needs_neither_keras_nor_numpy(command):
    done = command("-c", "import sys, t2t_mm.bin.decoder; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not {"tensorflow", "keras", "jax", "numpy"} & set(done.stdout.split())


MIXED = [
    "1.png",
    {"id": "a", "problem": "parsing_grammar", "inputs": "the dog sleeps"},
    {"problem": "translate_north_south", "inputs": "a cat sees the dog", "id": [1, 2]},
    "the dog",
    {"inputs": "broken.png", "problem": "image_shapes"},
    {"problem": "parsing_grammar", "inputs": "a cat"},
    '{"problem": "parsing_grammar", "inputs"',
    {"inputs": "3.png"},
]


@pytest.mark.slow
def test_one_file_of_all_kinds_is_answered_in_json_with_the_reasons_of_what_failed(
    untrained_run, images, answers, tmp_path, capsys
):
    (images / "mixed.txt").write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in MIXED)
    )
    arguments = [f"--output_dir={untrained_run}", f"--decode_from_file={images / 'mixed.txt'}", "--beam_size=2"]
    out = tmp_path / "out.jsonl"
    assert main([*arguments, f"--decode_to_file={out}", "--return_beams", "--decode_extra_length=3"]) == 1
    errors = capsys.readouterr().err
    assert "3 of 8 lines could not be decoded; their answers say why." in errors
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["line"] for line in written] == list(range(1, 9))
    assert [line.get("id") for line in written] == [None, "a", [1, 2]] + [None] * 5
    for number, reason in ((4, "2 problems read text"), (5, "not a readable image"), (7, "begins like a JSON request")):
        assert reason in written[number - 1]["error"] and "outputs" not in written[number - 1]
        assert f"line {number}: " in errors
    decoder = open_run(untrained_run).decoder
    how = DecodeOptions(beam_size=2, n_best=2, extra_length=3)
    (expected,) = decoder.decode("translate_north_south", ["a cat sees the dog"], how)
    outputs = written[2]["outputs"]
    assert [(one["text"], one["whole"]) for one in outputs] == [(one.text, one.complete) for one in expected.answers]
    assert [one["score"] for one in outputs] == pytest.approx([one.score for one in expected.answers], rel=1e-3)
    assert (written[2]["problem"], written[2]["inputs"]) == ("translate_north_south", "a cat sees the dog")
    assert len(written[1]["outputs"]) == 2
    assert read_tree(written[1]["outputs"][0]["text"]).words == ("the", "dog", "sleeps")
    for number, name in ((1, "1.png"), (8, "3.png")):
        expected = {one.text: pytest.approx(one.score, rel=1e-3) for one in answers[name][:5]}
        assert {one["class"]: one["probability"] for one in written[number - 1]["outputs"]} == expected


@pytest.mark.slow
def test_samples_are_equal_for_all_batch_sizes_and_others_with_another_seed(untrained_run, tmp_path, capsys):
    lines = [" ".join(["dog", "cat", "the", "sees"][: 1 + place % 4]) for place in range(12)]
    (tmp_path / "in.txt").write_text("\n".join(lines))

    def drawn(*flags):
        arguments = [f"--output_dir={untrained_run}", "--problem=translate_north_south", "--sampling_method=random"]
        source = [f"--decode_from_file={tmp_path / 'in.txt'}", "--decode_extra_length=2"]
        assert main([*arguments, *source, "--num_samples=2", *flags]) == 0
        return [line.split("\t") for line in capsys.readouterr().out.splitlines()]

    first = drawn("--decode_batch_size=32")
    assert all(len(line) == 4 for line in first)
    assert len({line[0] for line in first} | {line[2] for line in first}) > 12
    small = drawn("--decode_batch_size=5")
    assert [line[::2] for line in small] == [line[::2] for line in first]
    assert [line[::2] for line in drawn("--random_seed=1")] != [line[::2] for line in first]
    certain = drawn("--sampling_top_k=1")
    assert all(line[:2] == line[2:] for line in certain)
