"""WMT 2014 through the real builder of TensorFlow Datasets, from tiny archives laid out as statmt.org lays them out."""

import gzip
import shutil

import pytest

from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN
from t2t_mm.registry import PROBLEMS

pytestmark = pytest.mark.filterwarnings("ignore")  # TFDS and what it imports warn of one another

SAID = {"en": "A dog", "de": "Ein Hund", "fr": "Un chien"}


def archives(other, tarred):
    """Return the files that TFDS downloads for one of the language pairs, by the last part of the URL. Each line names
    its origin.
    """

    def lines(where, language):
        return f"{SAID[language]} from {where}.\n{SAID[language]} runs in {where}.\r\n".encode()

    def pair(where, stem):
        return {f"{stem}.{other}-en.{language}": lines(where, language) for language in (other, "en")}

    def sgm(language):
        return f'<doc>\n<seg id="1">{SAID[language]} in a test.</seg>\n</doc>\n'.encode()

    dev = {f"dev/newstest2013.{language}": lines("2013", language) for language in (other, "en")}
    dev |= {
        f"dev/newstest2014-{other}en-src.{other}.sgm": sgm(other),
        f"dev/newstest2014-{other}en-ref.en.sgm": sgm("en"),
    }
    giga = {
        f"giga-fren.release2.fixed.{language}.gz": gzip.compress(lines("giga", language)) for language in ("fr", "en")
    }
    return {
        "training-parallel-commoncrawl.tgz": tarred(pair("crawl", "commoncrawl")),
        "training-parallel-europarl-v7.tgz": tarred(pair("parliament", "training/europarl-v7")),
        "training-parallel-nc-v9.tgz": tarred(pair("news", "training/news-commentary-v9")),
        "training-parallel-un.tgz": tarred(pair("nations", "un/undoc.2000")),
        "training-giga-fren.tar": tarred(giga if other == "fr" else {}, "w"),
        "dev.tgz": tarred(dev),
    }


@pytest.mark.parametrize(
    ("forth", "back", "other", "parts"),
    [
        ("translate_ende_wmt14", "translate_deen_wmt14", "de", ("parliament", "crawl", "news")),
        ("translate_enfr_wmt14", "translate_fren_wmt14", "fr", ("parliament", "crawl", "nations", "news", "giga")),
    ],
)
def test_wmt14_is_fetched_when_asked_and_read_both_ways(
    tmp_path, hand_downloads, bytes_of, tarred, forth, back, other, parts
):
    source = PROBLEMS[forth].source
    by_name = archives(other, tarred)
    requested = hand_downloads(lambda url: by_name[url.rsplit("/", 1)[-1]])
    with pytest.raises(UserError, match=r"pass --generate_data to download it \(\d\.\d\d GB\)"):
        source.splits(tmp_path)
    assert not requested
    size = source.download_bytes(tmp_path)
    source.fetch(tmp_path)
    assert size == bytes_of(requested) and source.download_bytes(tmp_path) == 0
    assert source.splits(tmp_path) == (TRAIN, DEV, TEST)
    pairs = {e.values["inputs"]: e.values["targets"] for e in source.examples(TRAIN, tmp_path)}
    expected = {f"A dog from {part}.": f"{SAID[other]} from {part}." for part in parts}
    assert pairs == expected | {f"A dog runs in {part}.": f"{SAID[other]} runs in {part}." for part in parts}
    ids = [e.id for e in source.examples(TRAIN, tmp_path)]
    assert len(set(ids)) == len(ids) == 2 * len(parts)
    assert ids == [e.id for e in source.examples(TRAIN, tmp_path)] and source.count(TRAIN, tmp_path) == len(ids)
    assert [e.id for e in source.examples_from(TRAIN, tmp_path, 2)] == ids[2:]

    reverse = PROBLEMS[back].source
    assert [(e.values["inputs"], e.values["targets"]) for e in reverse.examples(TEST, tmp_path)] == [
        (f"{SAID[other]} in a test.", "A dog in a test.")
    ]
    assert {e.values["inputs"] for e in reverse.examples(DEV, tmp_path)} == {
        f"{SAID[other]} from 2013.",
        f"{SAID[other]} runs in 2013.",
    }

    shutil.rmtree(tmp_path / "tensorflow_datasets" / "downloads")  # what is prepared is all that is needed
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tensorflow_datasets").rename(tmp_path / "elsewhere" / "tensorflow_datasets")
    assert [e.id for e in source.examples(TRAIN, tmp_path / "elsewhere")] == ids


def test_parts_that_do_not_fit_together_are_refused(tmp_path, hand_downloads, tarred):
    by_name = archives("de", tarred) | {
        "training-parallel-nc-v9.tgz": tarred(
            {
                f"training/news-commentary-v9.de-en.{language}": b"a\n" * lines
                for language, lines in (("de", 1), ("en", 2))
            }
        )
    }
    hand_downloads(lambda url: by_name[url.rsplit("/", 1)[-1]])
    with pytest.raises(UserError, match="TFDS could not prepare wmt14_translate/de-en .* Sizes do not match"):
        PROBLEMS["translate_ende_wmt14"].source.fetch(tmp_path)


@pytest.mark.parametrize(
    ("name", "folder", "pair"),
    [
        ("translate_ende_wmt14", "wmt14_ende", ("en", "de")),
        ("translate_deen_wmt14", "wmt14_ende", ("de", "en")),
        ("translate_enfr_wmt14", "wmt14_enfr", ("en", "fr")),
        ("translate_fren_wmt14", "wmt14_enfr", ("fr", "en")),
    ],
)
def test_a_pair_of_plain_files_comes_first(tmp_path, name, folder, pair):
    (tmp_path / folder).mkdir()
    for language in pair:
        for stem in ("train", "newstest2013", "newstest2014"):
            (tmp_path / folder / f"{stem}.{language}.gz").write_bytes(gzip.compress(f"{SAID[language]}.\n".encode()))
    source = PROBLEMS[name].source
    assert source.splits(tmp_path) == (TRAIN, DEV, TEST) and source.download_bytes(tmp_path) == 0
    (example,) = source.examples(TEST, tmp_path)
    assert example.values == {"inputs": f"{SAID[pair[0]]}.", "targets": f"{SAID[pair[1]]}."}
