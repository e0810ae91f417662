"""The package in tests/plugin: a problem with a modality and an hparam set of its own, from outside."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "plugin" / "t2t_mm_example_plugin"
LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")


def test_the_names_of_a_plugin_are_listed_without_loading_keras(command):
    listing = "import sys; from t2t_mm.bin.trainer import parse_options\n"
    listing += f"try: parse_options(['--registry_help', '--format=json', '--t2t_usr_dir={FOLDER}'])\n"
    listing += "finally: print('MODULES', *sys.modules)"
    answer, _, modules = command("-c", listing).stdout.partition("MODULES")
    catalogue = json.loads(answer)
    assert catalogue["problems"]["say_readings"]["summary"] == "Readings of a gauge to words: low, middle or high."
    assert catalogue["modalities"]["series"]["summary"].startswith("Input net of numbers:")
    assert catalogue["hparams_sets"]["gauge_tiny"]["defined_in"] == "t2t_mm_example_plugin.hparams:gauge_tiny"
    assert "keras" not in modules.split()


class Machine:
    """A virtual environment of its own, in which the packages that t2t_mm needs are at hand already."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder / "venv", folder / "work"
        self.work.mkdir()
        self.run(sys.executable, "-m", "venv", "--without-pip", str(self.folder))
        self.python = str(self.folder / "bin" / "python")
        purelib = self.run(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
        (Path(purelib) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, *command: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run `command` as a user would, away from the checkout."""
        environment = {**os.environ, "PATH": f"{self.folder}/bin{os.pathsep}{os.environ['PATH']}"}
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(command, cwd=self.work, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def pip(self, *arguments: str) -> None:
        self.run(sys.executable, "-m", "pip", "--python", self.python, *arguments)

    def install(self, package: Path) -> None:
        """`pip install` a copy of `package`, so that nothing is built in the checkout."""
        copy = self.work.parent / f"copy_of_{package.name}"
        shutil.copytree(package, copy, symlinks=True, ignore=LEFT_BEHIND)
        self.pip("install", "--no-deps", "--no-build-isolation", "--ignore-installed", str(copy))


@pytest.mark.slow
def test_a_plugin_package_is_installed_trains_and_decodes(tmp_path):
    machine = Machine(tmp_path)
    machine.install(ROOT)
    machine.install(ROOT / "tests" / "plugin")
    where = machine.run("python", "-c", "import t2t_mm, t2t_mm_example_plugin as p; print(t2t_mm.__file__, p.__file__)")
    assert all(path.startswith(str(machine.folder)) for path in where.stdout.split())

    flags = ["--problems=say_readings", "--hparams_set=gauge_tiny", "--output_dir=run", "--data_dir=data"]
    machine.run("t2t-mm-trainer", *flags, "--train_steps=3")
    config = json.loads((machine.work / "run" / "config.json").read_text())
    assert [plugin["origin"] for plugin in config["plugins"]] == ["t2t_mm_example_plugin"]

    (machine.work / "in.txt").write_text("0.1 0.5 0.9\nno number\n0.7 0.2 0.3 0.4\n")
    decode = ["t2t-mm-decoder", "--output_dir=run", "--decode_from_file=in.txt", "--decode_to_file=out.txt"]
    decode.append("--return_beams")  # with scores, so that only a line that failed is empty
    done = machine.run(*decode, code=1)
    assert "line 2: A series must be numbers separated by blanks; received 'no number'." in done.stderr
    assert [len(line) > 0 for line in (machine.work / "out.txt").read_text().splitlines()] == [True, False, True]

    machine.pip("uninstall", "--yes", "t2t_mm_example_plugin")
    assert machine.run(*decode, code=1).stderr == (
        "t2t-mm-decoder: The run uses the plugin 'example' of the package 't2t_mm_example_plugin', which is not "
        "installed. Install it with pip.\n"
    )
