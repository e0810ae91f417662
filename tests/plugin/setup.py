"""The package of an example plugin. Users of its problem only install it."""

from setuptools import setup

setup(
    name="t2t_mm_example_plugin",
    version="1.0",
    packages=["t2t_mm_example_plugin"],
    install_requires=["t2t_mm"],
    entry_points={"t2t_mm.plugins": ["example = t2t_mm_example_plugin"]},
)
