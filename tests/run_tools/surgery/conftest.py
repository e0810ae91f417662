"""A joint run of three tiny problems with experts, as a trainer writes it, with random weights, slots and counts."""

import numpy as np
import pytest

from t2t_mm import run_directory
from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.records import files_of
from t2t_mm.fingerprint import fingerprint
from t2t_mm.layers.forward import Forward
from t2t_mm.problem import DEV
from t2t_mm.registry import HPARAM_SETS, PROBLEMS, REGISTRIES
from t2t_mm.run_config import RunConfig
from t2t_mm.run_tools.surgery.operations import Trained
from t2t_mm.run_tools.trained_run import open_run, read_checkpoint
from t2t_mm.train.trainer import Trainer

TINY = (
    "hidden_size=8,encoder_blocks=1,mixer_blocks=0,decoder_blocks=1,experts=6,expert_size=5,attention_heads=2,"
    "dropout=0.1,batch_size=64,buckets=2,ema_decay=0.9,problem_choice=adaptive"
)


@pytest.fixture(scope="module")
def make_joint(letters, tmp_path_factory, scrambled):
    """Return a function that makes the run of named problems of `letters`, which are registered during these tests."""
    before = {kind: (dict(registry._address), dict(registry._items)) for kind, registry in REGISTRIES.items()}
    for name, ready in letters.items():
        PROBLEMS.register(ready.problem, name=name)

    def make(names, hparams):
        folder = tmp_path_factory.mktemp("joint") / "run"
        folder.mkdir()
        ready = {name: letters[name] for name in names.split()}
        files = sorted({file for one in ready.values() for file in files_of(one.problem)})
        data = next(iter(ready.values())).folder.parent
        config = run_directory.RunRecord(
            run_config=RunConfig(problems=tuple(ready), hparams_set="multimodel_demo", random_seed=3),
            hparams=hparams,
            problems={name: one.signature for name, one in ready.items()},
            target_ratios={name: one.target_ratio for name, one in ready.items()},
            files={file: fingerprint(data / file) for file in files},
        )
        run_directory.copy_files(data, folder, config.files)
        run = Trainer(ready, hparams, RunConfig(output_dir=folder, random_seed=3, train_steps=50))
        scrambled(run.net)
        rng = np.random.default_rng(1)
        run.optimizer.restore(
            {name: rng.random(value.shape).astype("float32") for name, value in run.optimizer.tensors().items()}
        )
        run.mixer.restore({"normalised_losses": {name: 0.5 + place for place, name in enumerate(ready)}})
        run.progress.place(40, {name: 10 + place for place, name in enumerate(ready)})
        run.save()
        run_directory.save(config, folder)
        return folder

    yield make
    for kind, (addresses, items) in before.items():
        REGISTRIES[kind]._address, REGISTRIES[kind]._items = addresses, items


@pytest.fixture(scope="module")
def joint(make_joint):
    """Return the run of all three, with expert layers in encoder and decoder of six experts each, two per token."""
    folder = make_joint("capitals first last", HPARAM_SETS["multimodel_demo"]().override(TINY))
    return Trained(folder, run_directory.load(folder), *read_checkpoint(folder))


@pytest.fixture(scope="session")
def answers(letters):
    """Return a function that gives the teacher-forced logits and the loss of a run on a problem's first dev batch."""

    def answer(folder, name, ready=None):
        net = open_run(folder).decoder.net
        batch = Batches(ready or letters[name], DEV, net.hparams.data, 0, training=False).batch(0)
        command = np.int32(net.command(name))
        logits_BTV, _, real_BT = net.teacher_forced(name, batch.arrays, command)
        loss = net.loss(name, batch.arrays, command, Forward(), 0.1)
        return np.asarray(logits_BTV)[np.asarray(real_BT)], float(loss.nats), float(loss.objective)

    return answer
