"""Profiles of small graphs, recorded for real, and the tables made of them."""

import re

import pytest
import tensorflow as tf

from t2t_mm.registry import HPARAM_SETS
from t2t_mm.run_config import RunConfig
from t2t_mm.train.logs.profile import Profile, part_of, tables
from t2t_mm.train.logs.profiler import Operation, kind_of, newest
from t2t_mm.train.logs.profiler_jax import JaxProfiler
from t2t_mm.train.logs.profiler_tensorflow import TensorFlowProfiler
from t2t_mm.train.trainer import Trainer

PARTS = {"body", "body/encoder", "body/encoder/block_1", "body/encoder/block_1/norm", "text_words", "body/encoder/self"}


@pytest.mark.parametrize(
    ("scope", "part"),
    [
        ("body/encoder/block_1/norm", ("body/encoder/block_1", False)),
        ("gradient_tape/body/encoder/block_1/norm/Mul", ("body/encoder/block_1", True)),
        ("body_1/encoder/block_1", ("body/encoder/block_1", False)),  # entered a second time
        ("body/encoder/self_1/MatMul", ("body/encoder/self", False)),
        ("text_words_12/Gather", ("text_words", False)),
        ("body/Tensordot/MatMul", ("body", False)),
        ("cond/then/_0/cond/Adam", ("updating weights", False)),
        ("gradient_tape/strided_slice_13", ("elsewhere", True)),
        ("", ("elsewhere", False)),
        ("body/StatefulPartitionedCall/body/encoder/block_1/norm", ("body/encoder/block_1", False)),
        ("body_1/StatefulPartitionedCall_2", ("elsewhere", False)),
        ("PartitionedCall_1/gradients/body/encoder/block_1/add_grad", ("body/encoder/block_1", True)),
        ("PartitionedCall_3/gradient_tape/text_words/embed", ("text_words", True)),
    ],
)
def test_an_operation_belongs_to_the_layers_that_its_scope_names(scope, part):
    assert part_of(scope, PARTS) == part


def test_tables_add_up_by_part_and_by_operation_the_greatest_first():
    operations = [
        Operation("text_words", "Gather", 0.010),
        Operation("body/encoder/block_1/norm", "Mul", 0.020),
        Operation("body/encoder/block_1", "MatMul", 0.030),
        Operation("gradient_tape/body_1/encoder/block_1", "MatMul", 0.040),
    ]
    by_part, by_kind = tables(operations, PARTS, steps=[7, 9])
    assert by_part.rows == [
        ("body/encoder/block_1", "25.00", "20.00", "90.0%"),
        ("text_words", "5.00", "0.00", "10.0%"),
    ]
    assert by_kind.rows == [("MatMul", "35.00", "70.0%"), ("Mul", "10.00", "20.0%"), ("Gather", "5.00", "10.0%")]
    assert by_part.title.endswith("by part: steps 7 to 9, milliseconds a step, all threads added up")


def test_without_scopes_there_is_the_table_of_operations_and_without_operations_none():
    assert [table.columns[0] for table in tables([Operation("", "fusion", 0.1)], PARTS, [1])] == ["operation"]
    assert tables([], PARTS, [1]) == []


def test_a_profile_is_of_ten_steps_once_ten_compiled_nothing(tmp_path):
    @tf.function
    def work(x_NN):
        with tf.name_scope("body/encoder"):
            return tf.matmul(x_NN, x_NN)

    x_NN, lines, settled = tf.ones((200, 200)), [], []
    profile = Profile(tmp_path, PARTS, wanted=True)
    for step in range(1, 31):
        with profile.step(step):
            work(x_NN)
        profile.after_step(min(step, 2) * 1.5, lambda: settled.append(1), lines.append)  # the first two compile
    profile.close(lines.append)
    by_part, by_kind, where = lines
    assert "by part: steps 13 to 22," in by_part
    assert re.search(r"\| body/encoder \| +\d+\.\d\d \| +0\.00 \|", by_part)
    assert "| MatMul " in by_kind
    assert where.startswith(f"The profile is {newest(tmp_path)}; xprof --logdir={tmp_path}")
    assert len(settled) == 2
    assert len(list(tmp_path.glob("plugins/profile/*"))) == 1


def test_an_evaluation_ends_a_profile_and_a_run_that_is_too_short_has_none(tmp_path):
    lines = []
    profile = Profile(tmp_path / "cut", PARTS, wanted=True)
    for step in range(1, 14):
        with profile.step(step):
            tf.ones(3) + 1.0
        profile.after_step(0.0, lambda: None, lines.append)
    profile.end(lines.append)
    assert lines[-1].startswith("The profile is ")
    short, lines = Profile(tmp_path / "short", PARTS, wanted=True), []
    with short.step(1):
        pass
    short.after_step(0.0, lambda: None, lines.append)
    short.close(lines.append)
    assert lines == ["No profile was recorded: the run ended before 10 steps in a row compiled nothing."]
    assert not (tmp_path / "short").exists()


def test_a_profile_that_is_not_wanted_does_nothing(tmp_path):
    lines = []
    profile = Profile(tmp_path, PARTS, wanted=False)
    for step in range(1, 31):
        with profile.step(step):
            pass
        profile.after_step(0.0, lambda: lines.append("settled"), lines.append)
    profile.close(lines.append)
    assert not lines and not list(tmp_path.iterdir())


def test_jaxs_operations_are_read_by_their_kind(tmp_path):
    import jax

    work = jax.jit(lambda x_NN: jax.numpy.sin(x_NN @ x_NN).sum())
    x_NN = jax.numpy.ones((200, 200))
    work(x_NN).block_until_ready()
    profiler = JaxProfiler()
    profiler.start(tmp_path)
    with profiler.step(1):
        work(x_NN).block_until_ready()
    profiler.stop()
    operations = profiler.read(newest(tmp_path))
    assert operations and all(one.seconds > 0 and one.scope == "" for one in operations)
    assert kind_of("fusion.12") == kind_of("fusion") == "fusion" and kind_of("dot_general_3") == "dot_general"


@pytest.mark.slow
def test_a_run_says_where_its_time_goes_by_its_own_layers(letters, tmp_path):
    hparams = HPARAM_SETS["multimodel_demo"]().override("hidden_size=16,experts=4,expert_size=16,batch_size=128")
    config = RunConfig(output_dir=tmp_path, train_steps=30, profile=True)
    trainer = Trainer({"first": letters["first"]}, hparams, config)
    trainer.train()
    operations = TensorFlowProfiler().read(newest(tmp_path))
    parts = {part_of(operation.scope, trainer.net.parts) for operation in operations}
    assert {("body/encoder/experts", False), ("body/encoder/experts", True), ("body/encoder/block_1", True)} <= parts
    assert ("updating weights", False) in parts
    assert ("text_letters", False) in parts or ("text_letters/embed", False) in parts
