"""A data set that TFDS prepares on Apache Beam: runner and options reach it."""

import importlib.util

import pytest

from t2t_mm.data.beam_runner import Beam, tfds_download_options, tfds_prepares_on
from t2t_mm.data.sources.tfds import Line, Tfds
from t2t_mm.problem import DEV, TRAIN

pytestmark = pytest.mark.filterwarnings("ignore")  # TFDS, Beam and what they import warn of one another


def test_without_a_runner_tfds_is_told_nothing():
    with tfds_prepares_on(None):
        assert tfds_download_options() == {}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("apache_beam") is None, reason="Apache Beam is not installed")
def test_a_builder_on_beam_is_prepared_by_the_runner_and_options_given(tmp_path):
    import apache_beam
    import tensorflow_datasets as tfds

    pipelines = []

    class Counted(apache_beam.PTransform):
        def __init__(self, first, last):
            super().__init__()
            self.numbers = range(first, last)

        def expand(self, begin):
            pipelines.append(begin.pipeline)
            rows = [(n, {"en": f"{n} cats", "de": f"{n} Katzen"}) for n in self.numbers]
            return begin | apache_beam.Create(rows)

    class CatsOnBeam(tfds.core.GeneratorBasedBuilder):
        """Cats, counted."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            text = tfds.features.Text()
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"en": text, "de": text}))

        def _split_generators(self, dl_manager):
            return {"train": Counted(0, 30), "validation": Counted(30, 40)}

        def _generate_examples(self):
            raise NotImplementedError

    source = Tfds("cats_on_beam", inputs=Line("en"), targets=Line("de"), dev="validation", download=1)
    beam = Beam("DirectRunner", ("direct_num_workers=2",))
    beam.check()
    with tfds_prepares_on(beam):
        source.fetch(tmp_path)
    assert tfds_download_options() == {}
    assert {(type(p.runner).__name__, p.options.get_all_options()["direct_num_workers"]) for p in pipelines} == {
        ("FnApiRunner", 2)
    }
    values = [example.values for split in (TRAIN, DEV) for example in source.examples(split, tmp_path)]
    assert sorted(v["inputs"] for v in values) == sorted(f"{n} cats" for n in range(40))
    assert source.count(TRAIN, tmp_path) == 30
