import json
from pathlib import Path

import pytest

from t2t_mm.bin import options
from t2t_mm.bin.flags import datagen_parser, decoder_parser, evaluator_parser, trainer_parser
from t2t_mm.bin.t2t_flags import REPLACED, remedy
from t2t_mm.errors import UserError
from t2t_mm.registry import PROBLEMS

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
    chosen = options.trainer_options(TRAIN)
    assert (chosen.train_steps, chosen.eval_steps, chosen.local_eval_frequency) == (250000, -1, 2000)
    assert chosen.eval_throttle_seconds == 0
    assert (chosen.save_checkpoints_steps, chosen.save_checkpoints_secs, chosen.keep_checkpoint_max) == (0, 600, 20)
    assert (chosen.hparams, chosen.random_seed, chosen.schedule) == ("", None, "train_and_evaluate")
    assert chosen.generate_data is False and chosen.dry_run is False and chosen.model is None
    assert chosen.gin_file == [] and chosen.gin_param == [] and chosen.plugins == []


def test_a_best_metric_without_evaluations_is_refused():
    with pytest.raises(UserError, match="--best_metric=accuracy chooses among evaluations, and --schedule=train makes"):
        options.trainer_options([*TRAIN, "--schedule=train", "--best_metric=accuracy"])


def test_checksums_are_a_part_of_a_check():
    chosen = options.trainer_options([*TRAIN, "--check", "--verify"])
    assert chosen.check is True and chosen.verify is True
    with pytest.raises(UserError, match="--verify belongs to --check"):
        options.trainer_options([*TRAIN, "--verify"])


def test_the_decoders_defaults_are_t2ts():
    chosen = options.decoder_options(["--output_dir=run", "--decode_from_file=in.txt"])
    assert (chosen.beam_size, chosen.alpha, chosen.return_beams) == (4, 0.6, False)
    assert (chosen.decode_extra_length, chosen.decode_batch_size) == (50, 32)
    assert chosen.problem is None and chosen.checkpoint_path is None


def test_the_evaluator_decodes_as_the_decoder_does_unless_told_otherwise():
    chosen = options.evaluator_options(["--output_dir=run", "--checkpoint=run/model.ckpt-3"])
    assert (chosen.beam_size, chosen.alpha, chosen.decode_extra_length, chosen.decode_batch_size) == (4, 0.6, 50, 32)
    assert (chosen.split, chosen.eval_examples, chosen.problems, chosen.compare) == ("dev", -1, "", [])
    assert chosen.checkpoint_path == Path("run/model.ckpt-3")


def test_runs_to_compare_stand_behind_their_flag():
    chosen = options.evaluator_options(["--compare", "joint", "~/alone", "--split=test", "--data_dir=d"])
    assert chosen.compare == [Path("joint"), Path.home() / "alone"]
    assert (chosen.output_dir, chosen.split, chosen.data_dir) == (None, "test", Path("d"))
    with pytest.raises(UserError, match="--eval_examples=0 judges nothing"):
        options.evaluator_options(["--output_dir=run", "--eval_examples=0"])


def test_t2ts_names_of_the_decoding_flags_serve_too():
    flags = ["--decode_beam_size=1", "--decode_alpha=0", "--decode_return_beams", "--problems=p"]
    chosen = options.decoder_options(["--output_dir=run", "--decode_interactive", *flags])
    assert (chosen.beam_size, chosen.alpha, chosen.return_beams, chosen.problem) == (1, 0.0, True, "p")


def test_t2ts_name_of_the_workers_on_a_host_serves_too():
    assert [options.trainer_options([*TRAIN, *flag]).num_workers for flag in ([], ["--worker_gpu=2"])] == [1, 2]


def test_data_and_runs_without_a_folder_go_home_and_the_command_says_where(own_home, capsys):
    chosen = options.trainer_options(TRAIN)
    assert chosen.data_dir == own_home / "data"
    assert chosen.output_dir == own_home / "runs" / "multimodel_tiny-image_cifar10"
    said = capsys.readouterr().err
    assert f"--data_dir={own_home}/data" in said and f"--output_dir={own_home}/runs/multimodel_tiny" in said


def test_folders_that_were_given_are_taken_silently(capsys):
    chosen = options.trainer_options([*TRAIN, "--data_dir=a", "--output_dir=~/b"])
    assert (chosen.data_dir, chosen.output_dir) == (Path("a"), Path.home() / "b")
    assert capsys.readouterr().err == ""


def test_a_long_list_of_problems_gives_a_folder_name_that_file_systems_take():
    chosen = options.trainer_options([f"--problems={'-'.join(PROBLEMS)}", "--hparams_set=multimodel_tiny"])
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
    assert options.trainer_options([*TRAIN, flag]).generate_data is expected


@pytest.mark.parametrize("name", ["train_and_evaluate", "local_run", "continuous_train_and_eval"])
def test_t2ts_names_of_the_usual_schedule_mean_one_thing(name):
    assert options.trainer_options([*TRAIN, f"--schedule={name}"]).schedule == "train_and_evaluate"


@pytest.mark.parametrize(
    "flag, said",
    [
        ("--problms=x", "No flag is named --problms. Did you mean '--problems'?"),
        ("--problem_s", "No flag is named --problem_s. Did you mean '--problems'?"),
        ("--train", "No flag is named --train."),
        ("image_cifar10", "Received 'image_cifar10', which belongs to no flag; values are given as --flag=value."),
        ("--decode_from_file=x", "--decode_from_file is a flag of t2t-mm-decoder."),
        ("--inspect=x", "--inspect is a flag of t2t-mm-datagen."),
        ("--gpu_order=1", "CUDA_VISIBLE_DEVICES"),
        ("--tpu_num_shards=8", "CUDA_VISIBLE_DEVICES"),
        ("--hp_dropout=0.1", "--hparams=name=value"),
        ("--decode_hparams=beam_size=1", "--beam_size"),
        ("--eval_early_stopping_metric_minimize=true", "--best_metric=problem/metric:-1"),
        ("--schedule=trian", "Did you mean 'train'?"),
        ("--train_steps=many", "argument --train_steps: it is a whole number from 0 up; received 'many'."),
        ("--train_steps=-1", "received '-1'"),
        ("--eval_steps=-2", "from -1 up"),
        ("--generate_data=perhaps", "argument --generate_data: it is true or false; received 'perhaps'."),
        ("--output_dir", "--output_dir"),
    ],
)
def test_a_slip_in_a_flag_is_answered_in_one_line(capsys, flag, said):
    answer = refused(capsys, options.trainer_options, *TRAIN, flag)
    assert answer.startswith("t2t-mm-trainer: ") and answer.endswith("See t2t-mm-trainer --help.\n")
    assert said in answer


def test_no_flag_of_ours_is_said_to_be_replaced():
    ours = {
        flag.lstrip("-") for parser in (trainer_parser(), decoder_parser(), datagen_parser()) for flag in parser.flags()
    }
    assert not {flag: remedy(flag) for flag in ours if remedy(flag)}


def test_a_remedy_names_only_flags_that_exist():
    parsers = (trainer_parser(), decoder_parser(), datagen_parser(), evaluator_parser())
    ours = {flag for parser in parsers for flag in parser.flags()}
    named = {
        word.strip(",;.:").partition("=")[0] for text in REPLACED.values() for word in text.split() if word[:2] == "--"
    }
    assert named <= ours and named


def test_the_same_thing_has_the_same_name_and_default_everywhere():
    parsers = [trainer_parser(), decoder_parser(), datagen_parser(), evaluator_parser()]
    for name in ("data_dir", "tmp_dir", "t2t_usr_dir", "registry_help", "format"):
        defaults = [parser.get_default(name) for parser in parsers if f"--{name}" in parser.flags()]
        assert len(defaults) >= 2 and all(default == defaults[0] for default in defaults)


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
        options.trainer_options(argv)
    assert said in str(caught.value)


def test_gin_or_a_run_may_say_what_the_flags_leave_out(tmp_path):
    assert options.trainer_options(["--gin_file=a.gin", "--gin_file=b.gin"]).gin_file == ["a.gin", "b.gin"]
    (tmp_path / "config.json").write_text('{"plugins": []}')
    chosen = options.trainer_options([f"--output_dir={tmp_path}"])
    assert chosen.problems == () and chosen.hparams_set is None


def test_the_plugins_of_a_run_are_loaded_with_it(tmp_path):
    (tmp_path / "config.json").write_text(
        '{"plugins": [{"name": "mine", "origin": "/nowhere/mine", "package": "mine"}]}'
    )
    with pytest.raises(UserError, match="uses the plugin folder /nowhere/mine.*Pass --t2t_usr_dir="):
        options.decoder_options([f"--output_dir={tmp_path}", "--decode_interactive"])


def test_the_decoder_needs_a_run_and_something_to_decode(own_home):
    run = own_home / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    with pytest.raises(UserError, match=f"--output_dir is missing.*{run}"):
        options.decoder_options(["--decode_interactive"])
    with pytest.raises(UserError, match="--decode_from_file=<file> or --decode_interactive"):
        options.decoder_options(["--output_dir=run"])


def test_datagen_takes_problems_from_inspect():
    assert options.datagen_options(["--inspect=image_cifar10"]).problems == ("image_cifar10",)
    with pytest.raises(UserError, match="--problems is missing. Known: .*image_cifar10"):
        options.datagen_options([])


def listed(capsys, *argv):
    with pytest.raises(SystemExit) as caught:
        options.trainer_options(argv)
    assert not caught.value.code
    return capsys.readouterr().out


def test_the_registry_is_listed_for_people(capsys):
    lines = listed(capsys, "--registry_help").splitlines()
    heads = [line for line in lines if line and not line.startswith(" ")]
    kinds = ("problems", "modalities", "models", "hparams_sets", "hparams_ranges", "decoded_metrics", "runs")
    assert heads == [f"{kind}:" for kind in kinds]
    assert any(line.startswith("  image_cifar10 ") and len(line.split()) > 3 for line in lines)


def test_the_registry_is_listed_for_programs_too(capsys):
    found = json.loads(listed(capsys, "--registry_help=cifar", "--format=json"))
    assert list(found) == ["problems"] and list(found["problems"]) == ["image_cifar10"]
    entry = found["problems"]["image_cifar10"]
    assert entry["defined_in"] == "t2t_mm.problems.cifar10:ImageCifar10" and entry["summary"]


def test_a_filter_may_name_a_registry(capsys):
    assert list(json.loads(listed(capsys, "--registry_help=hparams_sets", "--format=json"))) == ["hparams_sets"]


def test_a_filter_that_finds_nothing_is_said():
    with pytest.raises(UserError, match="nothing has 'zebra' in its name"):
        options.trainer_options(["--registry_help=zebra"])


def test_datagen_takes_a_runner_of_beam_with_options():
    chosen = options.datagen_options(["--problems=image_cifar10"])
    assert (chosen.runner, chosen.beam_options) == ("", ())
    chosen = options.datagen_options(
        ["--problems=image_cifar10", "--runner", "--beam_options=a=1,b", "--beam_options=c=2"]
    )
    assert (chosen.runner, chosen.beam_options) == ("DirectRunner", ("a=1", "b", "c=2"))
    with pytest.raises(UserError, match="--beam_options are for a runner of Apache Beam: add --runner"):
        options.datagen_options(["--problems=image_cifar10", "--beam_options=a=1"])
    with pytest.raises(UserError, match="in place of --num_concurrent_processes give it options of its own"):
        options.datagen_options(["--problems=image_cifar10", "--runner=X", "--num_concurrent_processes=2"])
