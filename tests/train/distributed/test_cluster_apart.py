"""Two processes with a problem each, one of texts and one of images, train as one process with both in turn."""

import io
import json
import os
import signal
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image as Pillow
from small_runs import quiet_config
from two_workers import KILLED_AT, STEPS, assert_same_weights, end, mortal, saved, two_workers

if keras.backend.backend() != "tensorflow":
    pytest.skip("workers take a problem each on TensorFlow alone", allow_module_level=True)
from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.features.image import Image
from t2t_mm.data.features.label import Label
from t2t_mm.data.features.text import Text
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.problem import DEV, TRAIN, Example, Problem, Source
from t2t_mm.registry import HPARAM_SETS
from t2t_mm.train.distributed.cluster import ALONE
from t2t_mm.train.distributed.cluster_spec import VARIABLE, parse_cluster_spec
from t2t_mm.train.distributed.join import join
from t2t_mm.train.trainer import Trainer

HPARAMS = HPARAM_SETS["multimodel_demo"]().override(
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=4,expert_size=6,attention=False,dropout=0.2,"
    "balance_loss=0.1,batch_size=40,buckets=1,image_size=16,clip_grad_norm=0.3,weight_decay=0.01,ema_decay=0.9,"
    "learning_rate_schedule=constant,learning_rate=0.01,learning_rate_warmup_steps=0,"
    "problem_choice=distributed,problem_rates=capitals:1 tones:2"  # so that both workers sometimes take images
)


class Drawn(Source):
    """A source of examples that `draw` makes with a random generator."""

    def __init__(self, draw):
        self.draw = draw

    def splits(self, tmp_dir):
        return (TRAIN, DEV)

    def examples(self, split, tmp_dir):
        rng = np.random.default_rng(split == DEV)
        for index in range({TRAIN: 60, DEV: 4}[split]):
            yield Example(f"{split}/{index}", self.draw(rng))

    def present(self, tmp_dir):
        return True


def letters(rng):
    text = " ".join(rng.choice(list("abcd"), size=rng.integers(2, 7)))
    return {"inputs": text, "targets": text.upper()}


def tone(rng):
    file, grey = io.BytesIO(), int(rng.integers(256))
    Pillow.new("RGB", (16, 16), (grey, grey, grey)).save(file, "PNG")
    return {"inputs": file.getvalue(), "targets": "light" if grey > 127 else "dark"}


class Capitals(Problem):
    source = Drawn(letters)
    inputs = targets = Text("letters")
    command = "to-capitals"


class Tone(Problem):
    source = Drawn(tone)
    inputs, targets = Image(), Label("tones", names=("dark", "light"))
    command = "to-label"


PROBLEMS = {"capitals": Capitals, "tones": Tone}


def run_of(data, folder, cluster=ALONE, workers=None):
    ready = {name: open_problem(name, problem, Path(data)) for name, problem in PROBLEMS.items()}
    config = quiet_config(Path(folder), random_seed=3, train_steps=STEPS)
    return Trainer(ready, HPARAMS, config, cluster=cluster, workers=workers)


def work(data, folder, fault=""):
    """Train in one of the processes; return its exit code."""
    cluster = join(parse_cluster_spec(os.environ[VARIABLE]), lambda line: None)
    return mortal(run_of(data, folder, cluster), fault).train().stop.exit_code


def losses(folder):
    """Return the mean losses by problem of the steps after the first one."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "training"][-1]["loss"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    generate(PROBLEMS, folder, folder, report=lambda line: None)
    return folder


def both_train(*arguments):
    """Train in two processes; return their exit codes and what they printed."""
    return two_workers(__file__, *arguments)


@pytest.mark.slow
def test_two_workers_with_a_problem_each_train_as_one_process_with_both_in_turn(data, together, tmp_path):
    run = run_of(data, tmp_path, workers=2)
    chosen = [[run.mixer.choose(step, worker) for worker in range(2)] for step in range(1, STEPS + 1)]
    assert ["capitals", "tones"] in chosen and ["tones", "tones"] in chosen
    run.train()
    alone, state = saved(tmp_path)[1], saved(together)[1]
    taken = sum(chosen, [])
    assert state == alone and state["positions"] == {name: taken.count(name) for name in PROBLEMS}
    assert losses(together) == pytest.approx(losses(tmp_path), rel=1e-4) and set(losses(together)) == set(PROBLEMS)
    assert_same_weights(together, tmp_path, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_a_run_with_a_problem_per_worker_continues_exactly_after_a_worker_was_killed(data, together, tmp_path):
    codes, printed = both_train(data, tmp_path, "kill 1")
    assert codes == [1, -signal.SIGKILL], printed
    assert saved(tmp_path)[1]["step"] == KILLED_AT - 1
    codes, printed = both_train(data, tmp_path)
    assert codes == [0, 0], printed
    assert saved(tmp_path)[1] == saved(together)[1]
    assert_same_weights(tmp_path, together)


if __name__ == "__main__":
    end(work)
