"""Where the packages live: three of them beside `t2t_mm`, under its name."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
FOLDERS = ("problems", "hparams", "bin")  # and t2t_mm/problems -> ../problems, for a bare checkout
OWN = find_packages(include=["t2t_mm", "t2t_mm.*"])
BESIDE = [f"t2t_mm.{name}" for folder in FOLDERS for name in find_packages(include=[folder, f"{folder}.*"])]
[VERSION] = re.findall(r'^__version__ = "(.+)"$', (HERE / "t2t_mm/__init__.py").read_text(encoding="utf-8"), re.M)

setup(
    name="t2t_mm",
    version=VERSION,
    description="One model that learns many problems of different kinds at once: MultiModel on Keras.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=sorted({*OWN, *BESIDE}),
    package_dir={"t2t_mm": "t2t_mm"} | {f"t2t_mm.{folder}": folder for folder in FOLDERS},
    package_data={"t2t_mm": ["py.typed"], "t2t_mm.hparams": ["*.gin"]},
    install_requires=[
        "array_record",
        "gin-config",
        "grain",
        "importlib_resources",  # tensorflow-datasets 4.9 imports it when it builds and does not ask for it
        "jiwer",  # word and character error rates
        "keras>=3.12",  # the first with ops.view, which makes two random numbers of one
        "msgpack",
        "numpy",
        "pillow",
        "rich",
        "sacrebleu",  # BLEU and chrF as papers report them
        "safetensors",
        "scipy",  # resamples sounds
        "sentencepiece>=0.2.3",
        "soundfile",  # reads .wav, .flac, .ogg and .mp3
        "tensorboard",
        "tensorflow>=2.16",  # the first that takes Keras 3
        "tensorflow-datasets",
    ],
    extras_require={
        "beam": ["apache-beam>=2.77"],  # the first that was tried beside TensorFlow 2.21 and NumPy 2.4
        "jax": ["jax>=0.10"],
        "search": ["optuna"],  # --hparams_range
        "test": [
            "build",
            "jax",
            "mypy",
            "optuna",
            "pytest",
            "pytest-xdist",
            "ruff",
            "setuptools>=70.1",  # builds wheels by itself; the packaging test uses what is installed
        ],
    },
    entry_points={
        "console_scripts": [
            "t2t-mm-trainer = t2t_mm.bin.trainer:main",
            "t2t-mm-decoder = t2t_mm.bin.decoder:main",
            "t2t-mm-datagen = t2t_mm.bin.datagen:main",
            "t2t-mm-eval = t2t_mm.bin.evaluator:main",
            "t2t-mm-avg-checkpoints = t2t_mm.bin.avg_checkpoints:main",
            "t2t-mm-diff-runs = t2t_mm.bin.diff_runs:main",
            "t2t-mm-surgery = t2t_mm.bin.surgery:main",
        ]
    },
)
