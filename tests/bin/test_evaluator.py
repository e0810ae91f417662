"""t2t-mm-eval on a small net with random weights: every metric is that of the decoder's outputs."""

import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from t2t_mm import run_directory
from t2t_mm.bin.evaluator import file_name, labels, main, matching
from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.label import Label
from t2t_mm.data.features.references import References
from t2t_mm.data.features.text import Text
from t2t_mm.data.features.tree import Tree
from t2t_mm.data.input.generated_problem import open_codecs, open_problem
from t2t_mm.data.input.records import SplitReader
from t2t_mm.decoding.answers import DecodeOptions
from t2t_mm.errors import UnknownName
from t2t_mm.evaluation.batch_evaluator import BatchEvaluator
from t2t_mm.evaluation.score import score
from t2t_mm.fingerprint import fingerprint
from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.metrics.on_text.base import SHARE, Case, Counted, TextMetric, ratio, shares
from t2t_mm.models.multimodel.hparams import MultiModelHparams
from t2t_mm.models.net import Net
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Problem, Source
from t2t_mm.registry import DECODED_METRICS, PROBLEMS, REGISTRIES
from t2t_mm.run_config import RunConfig
from t2t_mm.run_tools.trained_run import open_run
from t2t_mm.train import checkpoint

pytestmark = pytest.mark.slow

WORDS = "ant bee cat dog eel".split()
LENGTHS = {TRAIN: 30, DEV: 11, TEST: 4}


class Animals(Source):
    """One to four words, and the target that `answer` makes of them."""

    def __init__(self, answer, splits=(TRAIN, DEV)):
        self.answer, self.parts = answer, splits

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return self.parts

    def examples(self, split: str, tmp_dir: Path):
        rng = np.random.default_rng(sorted(LENGTHS).index(split))
        for number in range(LENGTHS[split]):
            text = " ".join(rng.choice(WORDS, 1 + number % 4))
            yield Example(f"{split}/{number}", {"inputs": text, "targets": self.answer(text)})

    def present(self, tmp_dir: Path) -> bool:
        return True


class SameLength(TextMetric):
    """Share of outputs with as many words as the right answer: a plugin's own metric."""

    head = "same length"
    style = SHARE

    def count(self, cases):
        same = [len(case.output.split()) == len(case.references[0].split()) for case in cases]
        return Counted(shares(same), "words are what stands between blanks")

    def finish(self, sums_K):
        return ratio(sums_K)


class Shouted(Problem):
    source = Animals(str.upper)
    inputs = targets = Text("animals")
    decoded_metrics = ("wer", "bleu", "same_length")


class Grown(Problem):
    source = Animals(lambda text: f"(S {' '.join(f'(NP (NN {word}))' for word in text.split())})")
    inputs, targets = Text("animals"), Tree("animals")
    command = "to-parse"


class Described(Problem):
    source = Animals(lambda text: tuple(f"{text} {end}" for end in ("here", "there", "now")))
    inputs, targets = Text("animals"), References("animals")


class First(Problem):
    source = Animals(lambda text: text.split()[0], (TRAIN, DEV, TEST))
    inputs, targets = Text("animals"), Label("animals", names=tuple(WORDS))
    metrics = ("neg_log_perplexity", "accuracy")
    command = "to-label"


ANIMALS = {"shouted": Shouted, "grown": Grown, "described": Described, "first": First}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Records of the four problems, which are registered for as long as these tests take."""
    before = {kind: (dict(registry._address), dict(registry._items)) for kind, registry in REGISTRIES.items()}
    for name, problem in ANIMALS.items():
        PROBLEMS.register(problem, name=name)
    DECODED_METRICS.register(SameLength)
    folder = tmp_path_factory.mktemp("animals")
    generate(ANIMALS, folder, folder, report=lambda line: None)
    yield folder
    for kind, (addresses, items) in before.items():
        REGISTRIES[kind]._address, REGISTRIES[kind]._items = addresses, items


@pytest.fixture(scope="module")
def make_run(data, tmp_path_factory, scrambled):
    """A run directory of the named problems, with weights drawn by a seed."""

    def make(name, problems, seed):
        folder = tmp_path_factory.mktemp("runs") / name
        folder.mkdir()
        ready = {problem: open_problem(problem, ANIMALS[problem], data) for problem in problems}
        for file in {file for one in ready.values() for file in one.manifest.fingerprints}:
            shutil.copy(data / file, folder / file)
        body = MultiModelHparams(
            hidden_size=8, encoder_blocks=1, mixer_blocks=0, decoder_blocks=1, experts=0, attention=False
        )
        config = run_directory.RunRecord(
            run_config=RunConfig(problems=tuple(ready), random_seed=0),
            hparams=HparamSet("multimodel", body, TrainingHparams(), DataHparams(max_length=40, batch_size=200)),
            problems={name: one.signature for name, one in ready.items()},
            target_ratios={name: one.target_ratio for name, one in ready.items()},
            files={file: fingerprint(folder / file) for one in ready.values() for file in one.manifest.fingerprints},
        )
        net = Net(config.problems, config.hparams)
        net.build()
        scrambled(net, seed)
        run_directory.save(config, folder)
        checkpoint.save(folder, 7, net.tensors(), {"step": 7}, keep=0)
        return folder

    return make


@pytest.fixture(scope="module")
def joint(make_run):
    return make_run("joint", list(ANIMALS), seed=1)


@pytest.fixture(scope="module")
def alone(make_run):
    return make_run("alone", ["first"], seed=2)


FAST = ["--beam_size=1", "--decode_extra_length=2"]
GREEDY = DecodeOptions(beam_size=1, extra_length=2)


def evaluate(capsys, data, *flags):
    """Return exit code, standard output, and standard error."""
    code = main([f"--data_dir={data}", *FAST, *flags])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@cache
def decoder_of(run):
    return open_run(run).decoder


def expected(run, data, problem, split=DEV):
    """Return the metrics of a problem, computed from the decoder's answers example by example."""
    ready = open_problem(problem, ANIMALS[problem], data)
    target, source = ready.codecs["targets"], ready.codecs["inputs"]
    reader = SplitReader(ready.folder, ready.manifest.splits[split])
    records = reader.read(range(ready.manifest.splits[split].examples))
    sentences = [source.value(record["inputs"]) for record in records]
    results = decoder_of(run).decode(problem, sentences, GREEDY)
    cases = []
    for record, sentence, result in zip(records, sentences, results, strict=True):
        right = [target.show(target.symbols(one), sentence) for one in target.references(record["targets"])]
        texts = tuple(answer.text for answer in result.answers)
        cases.append(Case(texts, tuple(right), result.answers[0].well_formed))
    metrics = {name: DECODED_METRICS[name]() for name in ready.problem.decoded_metric_names()}
    return {name: metric.finish(metric.count(cases).sums_NK.sum(axis=0)) for name, metric in metrics.items()}


def test_one_table_has_every_problem_with_the_metrics_of_decoded_outputs(joint, data, capsys):
    code, out, _ = evaluate(capsys, data, f"--output_dir={joint}")
    assert code == 0
    rows = [line.split("|")[1].strip() for line in out.splitlines() if line.startswith("| ")]
    assert rows == ["problem", *ANIMALS]
    content = json.loads((joint / "eval" / "decoded-dev-7-beam1.json").read_text())
    assert (content["checkpoint"], content["split"], content["decoding"]["extra_length"]) == (
        "model.ckpt-7.safetensors",
        "dev",
        2,
    )
    for name in ANIMALS:
        scores = content["problems"][name]
        assert scores["examples"] == 11 and scores["unanswered"] == 0
        values = {metric: one["value"] for metric, one in scores["decoded"].items()}
        wanted = {metric: None if np.isnan(value) else value for metric, value in expected(joint, data, name).items()}
        assert values == pytest.approx(wanted)
    assert list(content["problems"]["shouted"]["decoded"]) == ["wer", "bleu", "same_length"]  # those that it names
    assert list(content["problems"]["described"]["decoded"]) == ["cider", "bleu_4"]  # those that suit its targets
    assert set(content["problems"]["first"]["teacher_forced"]) == {"log_perplexity"}
    assert set(content["problems"]["grown"]["teacher_forced"]) == {"log_perplexity", "token_accuracy"}
    assert (joint / "eval" / "decoded-dev-7-beam1.md").read_text() == out


def test_sums_stand_in_the_order_of_the_split(joint, data):
    decoder, ready = decoder_of(joint), open_problem("shouted", Shouted, data)
    evaluator = BatchEvaluator(decoder.net, decoder.codecs, decoder.hparams)
    scores = score(decoder, evaluator, ready, DEV, GREEDY)
    targets_N = SplitReader(ready.folder, ready.manifest.splits[DEV]).lengths_NF[:, 1]
    assert scores.ids == tuple(f"dev/{number}" for number in range(11))
    assert [figure.sums_NK[:, 1].tolist() for figure in scores.forced] == [targets_N.tolist()] * 2
    words = [len(example.values["targets"].split()) for example in Shouted.source.examples(DEV, data)]
    assert scores.decoded[0].sums_NK[:, 1].tolist() == words


def test_some_problems_and_some_examples_of_the_test_set_go_into_files_of_their_own(joint, data, capsys):
    flags = [f"--output_dir={joint}", "--problems=f*,shouted", "--split=test", "--eval_examples=2"]
    code, out, errors = evaluate(capsys, data, *flags)
    assert code == 0 and "t2t-mm-eval: no test set of shouted; left out" in errors
    content = json.loads((joint / "eval" / "decoded-test-7-beam1-of2-first.json").read_text())
    assert {name: one["examples"] for name, one in content["problems"].items()} == {"first": 2}
    assert "joint at step 7: test sets, at most 2 examples of each" in out


def test_a_run_minus_others_problem_by_problem(joint, alone, data, capsys):
    code, out, _ = evaluate(capsys, data, "--compare", str(joint), str(alone))
    assert code == 0
    content = json.loads((joint / "eval" / "compared-dev-7-beam1-alone.json").read_text())
    assert content["runs"] == {str(joint): "7", str(alone): "7"}
    differences = content["others"][str(alone)]
    assert {name: list(metrics) for name, metrics in differences.items()} == {
        "first": ["log_perplexity", "top_1", "top_5"],
    }
    for name in differences:
        first, second = expected(joint, data, name), expected(alone, data, name)
        for metric in first:
            one = differences[name][metric]
            assert one["difference"] == pytest.approx(first[metric] - second[metric])
            assert one["low"] - 1e-9 <= one["difference"] <= one["high"] + 1e-9
    rows = [line for line in out.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 3


def test_a_run_minus_itself_is_zero(alone, data, capsys):
    assert evaluate(capsys, data, "--problems=first", "--compare", str(alone), str(alone))[0] == 0
    content = json.loads((alone / "eval" / "compared-dev-7-beam1-alone.json").read_text())
    for one in content["others"][str(alone)]["first"].values():
        assert (one["difference"], one["low"], one["high"], one["verdict"]) == (0, 0, 0, "-")


def test_an_input_that_the_decoder_refuses_counts_as_empty_output(joint, data, capsys, tmp_path):
    codec = open_codecs(First, data)["inputs"]
    lengths = [codec.length(codec.store(example.values["inputs"])) for example in First.source.examples(DEV, data)]
    most, long = max(lengths) - 1, lengths.count(max(lengths))
    run = shutil.copytree(joint, tmp_path / "short")
    config = run_directory.load(run)
    few = replace(config.hparams, data=replace(config.hparams.data, max_length=most))
    run_directory.save(replace(config, hparams=few), run)
    assert evaluate(capsys, data, f"--output_dir={run}", "--problems=first")[0] == 0
    written = run / "eval" / "decoded-dev-7-beam1-first.json"
    scores = json.loads(written.read_text())["problems"]["first"]
    assert scores["unanswered"] == long > 0 and scores["examples"] == 11
    note = written.with_suffix(".md").read_text().splitlines()[-1]
    assert note.startswith(f"{long} of 11 examples of first could not be decoded and count as empty output")
    assert f"lengths up to {most} ids" in note


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (["--output_dir={nowhere}"], "nowhere holds no run"),
        ([], "--output_dir is missing: give the directory of a training run"),
        (["--output_dir={joint}", "--problems=firts"], "No problem to evaluate is named 'firts'. Did you mean 'first'"),
        (["--output_dir={joint}", "--problems=image_*"], "No problem to evaluate is named 'image_*'"),
        (["--output_dir={joint}", "--split=test", "--problems=shouted"], "There is no test set of shouted in"),
        (["--output_dir={joint}", "--data_dir={nowhere}"], "There is no generated data in"),
        (["--output_dir={joint}", "--checkpoint=model.ckpt-8"], "There is no checkpoint model.ckpt-8"),
        (["--output_dir={joint}", "--alpha=-1"], "alpha must be at least 0"),
        (["--compare", "{joint}"], "names one run; give two or more: --compare RUN1 RUN2"),
        (["--output_dir={joint}", "--compare", "{joint}", "{alone}"], "leave out --output_dir"),
        (["--compare", "{joint}", "{nowhere}"], "nowhere holds no run"),
        (["--compare", "{alone}", "{grown}"], "alone shares no problem with"),
    ],
)
def test_an_error_of_the_user_is_one_sentence(flags, sentence, joint, alone, make_run, data, tmp_path, capsys):
    places = {"joint": joint, "alone": alone, "nowhere": tmp_path / "nowhere", "grown": tmp_path / "grown"}
    if "{grown}" in flags:
        config = run_directory.load(joint)
        run_directory.save(replace(config, problems={"grown": config.problems["grown"]}), tmp_path / "grown")
    code, out, err = evaluate(capsys, data, *(flag.format(**places) for flag in flags))
    assert code == 1 and out == ""
    assert sentence in err.splitlines()[-1]


def test_records_on_another_vocabulary_than_the_runs_are_refused(joint, data, tmp_path, capsys):
    other = shutil.copytree(data, tmp_path / "other")
    (other / "classes.animals.txt").write_text("".join(f"{name}\n" for name in [*WORDS, "fox"]))
    manifest = other / "first" / "manifest.json"
    then, now = (fingerprint(folder / "classes.animals.txt") for folder in (data, other))
    manifest.write_text(manifest.read_text().replace(then, now))
    code, _, err = evaluate(capsys, data, f"--output_dir={joint}", f"--data_dir={other}", "--problems=first")
    assert code == 1 and "was made with another classes.animals.txt than" in err and "Pass the --data_dir" in err


def test_names_are_those_of_problems_that_were_learnt():
    learnt = ["parsing_grammar", "image_shapes", "translate_north_south"]
    assert matching("", learnt) == learnt
    assert matching("image_shapes-parsing_grammar", learnt) == ["image_shapes", "parsing_grammar"]
    assert matching("*_s*,parsing_grammar", learnt) == ["image_shapes", "translate_north_south", "parsing_grammar"]
    assert set(matching("builtin", learnt)) == set(learnt)  # those of the eight that there are
    with pytest.raises(UnknownName):
        matching("image_cifar10", learnt)


def test_runs_are_called_by_the_last_name_of_their_folder_unless_two_are_equal():
    assert labels(["/a/joint", "alone/"]) == {"/a/joint": "joint", "alone/": "alone"}
    assert labels(["/a/run", "/b/run"]) == {"/a/run": "/a/run", "/b/run": "/b/run"}


def test_a_files_name_is_cut_where_file_systems_would_and_stays_one_of_a_kind():
    assert file_name(["decoded", "dev", "7"]) == "decoded-dev-7"
    long = [file_name(["compared", *(f"run_{number}" for number in range(size))]) for size in (40, 41)]
    assert [len(name) for name in long] == [100, 100] and long[0] != long[1]
