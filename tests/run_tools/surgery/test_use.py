"""The weights that a problem reads."""

import pytest

from t2t_mm.run_tools.surgery.use import covered, parts_of, read_by
from t2t_mm.run_tools.trained_run import open_run


@pytest.fixture(scope="module")
def net(joint):
    return open_run(joint.folder).decoder.net


def test_a_class_problem_reads_the_encoder_and_one_output_head(net, letters):
    read = read_by(net, letters["first"])
    paths = {weight.path for weight in net.weights}
    left = parts_of(paths - read, paths)
    assert left == ("body/decoder", "body/mixer", "label_letters/grid", "text_letters/score")
    assert "net/body/encoder/experts/gate_noise" in read  # in training alone


def test_a_text_problem_reads_the_complete_body(net, letters):
    read = read_by(net, letters["capitals"])
    paths = {weight.path for weight in net.weights}
    assert parts_of(paths - read, paths) == ("label_letters",)


def test_parts_are_named_by_the_highest_name_that_is_left_out_completely():
    paths = ["net/body/a/x", "net/body/a/y", "net/body/b", "net/body/bc", "net/text/embed", "net/text/embedded"]
    assert parts_of(["net/body/a/x", "net/body/a/y"], paths) == ("body/a",)
    assert parts_of(["net/body/a/x", "net/body/b"], paths) == ("body/a/x", "body/b")
    assert parts_of(["net/text/embed"], paths) == ("text/embed",)
    assert parts_of([], paths) == ()
    assert covered(paths, ["body/a", "text/embed"]) == {"net/body/a/x", "net/body/a/y", "net/text/embed"}
