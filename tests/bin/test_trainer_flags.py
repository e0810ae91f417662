"""The flags of t2t-mm-trainer: defaults, aliases, folders, and mistakes."""

from pathlib import Path

import pytest

from t2t_mm.bin.trainer import parse_options
from t2t_mm.errors import UserError
from t2t_mm.registry import PROBLEMS
from t2t_mm.run_config import TRAIN_STEPS

TRAIN = ["--problems=image_cifar10", "--hparams_set=multimodel_tiny"]


def refused(capsys, parse, *argv):
    """What a command says to a slip in its flags."""
    with pytest.raises(SystemExit) as caught:
        parse(argv)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, "one line"
    return said


def test_defaults_are_t2ts_or_as_documented():
    chosen = parse_options(TRAIN).config
    assert (chosen.train_steps or TRAIN_STEPS, chosen.eval_steps, chosen.local_eval_frequency) == (250000, -1, 2000)
    assert chosen.eval_throttle_seconds == 0
    assert (chosen.save_checkpoints_steps, chosen.save_checkpoints_secs, chosen.keep_checkpoint_max) == (0, 600, 20)
    assert (chosen.hparams, chosen.random_seed, chosen.schedule) == ("", None, "train_and_evaluate")
    assert chosen.generate_data is False and chosen.dry_run is False and chosen.model is None
    assert chosen.gin_file == () and chosen.gin_param == () and parse_options(TRAIN).plugins == ()


def test_a_best_metric_without_evaluations_is_refused():
    with pytest.raises(UserError, match="--best_metric=accuracy chooses among evaluations, and --schedule=train makes"):
        parse_options([*TRAIN, "--schedule=train", "--best_metric=accuracy"])


def test_checksums_are_a_part_of_a_check():
    chosen = parse_options([*TRAIN, "--check", "--verify"]).config
    assert chosen.check is True and chosen.verify is True
    with pytest.raises(UserError, match="--verify belongs to --check"):
        parse_options([*TRAIN, "--verify"])


def test_t2ts_name_of_the_workers_on_a_host_serves_too():
    assert [parse_options([*TRAIN, *flag]).config.num_workers for flag in ([], ["--worker_gpu=2"])] == [1, 2]


def test_data_and_runs_without_a_folder_go_home_and_the_command_says_where(own_home, capsys):
    chosen = parse_options(TRAIN).config
    assert chosen.data_dir == own_home / "data"
    assert chosen.output_dir == own_home / "runs" / "multimodel_tiny-image_cifar10"
    said = capsys.readouterr().err
    assert f"--data_dir={own_home}/data" in said and f"--output_dir={own_home}/runs/multimodel_tiny" in said


def test_folders_that_were_given_are_taken_silently(capsys):
    chosen = parse_options([*TRAIN, "--data_dir=a", "--output_dir=~/b"]).config
    assert (chosen.data_dir, chosen.output_dir) == (Path("a"), Path.home() / "b")
    assert capsys.readouterr().err == ""


def test_a_long_list_of_problems_gives_a_folder_name_that_file_systems_take():
    chosen = parse_options([f"--problems={'-'.join(PROBLEMS)}", "--hparams_set=multimodel_tiny"]).config
    assert len(chosen.output_dir.name) == 100


@pytest.mark.parametrize(
    "flag, expected",
    [
        ("--generate_data", True),
        ("--generate_data=true", True),
        ("--generate_data=False", False),
        ("--generate_data=1", True),
        ("--nogenerate_data", False),
    ],
)
def test_truths_are_written_as_in_t2t(flag, expected):
    assert parse_options([*TRAIN, flag]).config.generate_data is expected


@pytest.mark.parametrize("name", ["train_and_evaluate", "local_run", "continuous_train_and_eval"])
def test_t2ts_names_of_the_usual_schedule_mean_one_thing(name):
    assert parse_options([*TRAIN, f"--schedule={name}"]).config.schedule == "train_and_evaluate"


@pytest.mark.parametrize(
    "flag, said",
    [
        ("--problms=x", "No flag is named --problms. Did you mean '--problems'?"),
        ("--problem_s", "No flag is named --problem_s. Did you mean '--problems'?"),
        ("--train", "No flag is named --train."),
        ("image_cifar10", "Received 'image_cifar10', which is not a flag; write values as --flag=value."),
        ("--decode_from_file=x", "--decode_from_file is a flag of t2t-mm-decoder."),
        ("--inspect=x", "--inspect is a flag of t2t-mm-datagen."),
        ("--gpu_order=1", "CUDA_VISIBLE_DEVICES"),
        ("--tpu_num_shards=8", "CUDA_VISIBLE_DEVICES"),
        ("--hp_dropout=0.1", "--hparams=name=value"),
        ("--decode_hparams=beam_size=1", "--beam_size"),
        ("--eval_early_stopping_metric_minimize=true", "--best_metric=problem/metric:-1"),
        ("--schedule=trian", "Did you mean 'train'?"),
        ("--train_steps=many", "argument --train_steps: expected a whole number of at least 0; received 'many'."),
        ("--train_steps=-1", "received '-1'"),
        ("--eval_steps=-2", "of at least -1"),
        ("--generate_data=perhaps", "argument --generate_data: expected true or false; received 'perhaps'."),
        ("--output_dir", "--output_dir"),
    ],
)
def test_a_slip_in_a_flag_is_answered_in_one_line(capsys, flag, said):
    answer = refused(capsys, parse_options, *TRAIN, flag)
    assert answer.startswith("t2t-mm-trainer: ") and answer.endswith("See t2t-mm-trainer --help.\n")
    assert said in answer


@pytest.mark.parametrize(
    "argv, said",
    [
        ([], "--problems is missing"),
        (["--problems=image_cifar10"], "--hparams_set is missing. Known: "),
        (["--problems=image_cifar10", "--hparams_set=multimodel_tini"], "Did you mean 'multimodel_tiny'?"),
        ([*TRAIN, "--model=multimodl"], "No model is named 'multimodl'. Did you mean 'multimodel'?"),
        ([*TRAIN, "--t2t_usr_dir=/nowhere/mine"], "--t2t_usr_dir=/nowhere/mine: there is no such folder."),
    ],
)
def test_what_the_trainer_lacks_is_said(argv, said):
    with pytest.raises(UserError) as caught:
        parse_options(argv)
    assert said in str(caught.value)


def test_gin_or_a_run_may_say_what_the_flags_leave_out(tmp_path):
    for name in ("a.gin", "b.gin"):
        (tmp_path / name).write_text("run.train_steps = 3\n")
    files = (f"{tmp_path}/a.gin", f"{tmp_path}/b.gin")
    assert parse_options([f"--gin_file={file}" for file in files]).config.gin_file == files
    (tmp_path / "config.json").write_text('{"plugins": []}')
    chosen = parse_options([f"--output_dir={tmp_path}"]).config
    assert chosen.problems == () and chosen.hparams_set is None
