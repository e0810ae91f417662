"""The eight problems of arXiv 1706.05137, each from its corpus as its users have it, a few items of each."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from t2t_mm.bin.problem_names import RUNS
from t2t_mm.data.datagen.generate import inspect
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.errors import UserError
from t2t_mm.registry import PROBLEMS

SAID = {"en": "A dog runs .", "de": "Ein Hund läuft .", "fr": "Un chien court ."}


def image(grey):
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (grey, 99, 199)).save(file, "jpeg")
    return file.getvalue()


def sphere_file(samples):
    fields = f"channel_count -i 1\nsample_count -i {len(samples)}\nsample_rate -i 16000\nsample_n_bytes -i 2\n"
    coding = "sample_byte_format -s2 01\nsample_sig_bits -i 16\nsample_coding -s3 pcm\nend_head\n"
    return f"NIST_1A\n   1024\n{fields}{coding}".encode().ljust(1024) + samples.astype("<i2").tobytes()


def wsj_speech():
    lists = {
        "11-13.1/wsj0/doc/indices/train/tr_s_wv1.ndx": "11_1_1:wsj0/si_tr_s/01i/01ic0201.wv1\n",
        "13-34.1/wsj1/doc/indices/si_tr_s.ndx": "13_1_1: wsj1/si_tr_s/46g/46gc0301.wv1\n",
        "13-34.1/wsj1/doc/indices/h1_p0.ndx": "13_16_1: wsj1/si_dt_20/4k0/4k0c0301.wv1\n",
        "11-13.1/wsj0/doc/indices/test/nvp/si_et_20.ndx": "11_14_1:wsj0/si_et_20/440/440c0401\n",
    }
    yield from ((name, text.encode()) for name, text in lists.items())
    for audio in (
        "11-1.1/wsj0/si_tr_s/01i/01ic0201.wv1",
        "13-1.1/wsj1/si_tr_s/46g/46gc0301.wv1",
        "13-16.1/wsj1/si_dt_20/4k0/4k0c0301.wv1",
        "11-14.1/wsj0/si_et_20/440/440c0401.wv1",
    ):
        utterance = audio[-12:-4]
        yield audio, sphere_file(np.sin(np.arange(3200) / 9) * 9999)
        yield f"{audio[:-6]}00.dot", f"{SAID['en']} ({utterance})\n".encode()


def imagenet():
    for part, count in (("train", 2), ("val", 1)):
        for grey, wnid in ((10, "n01440764"), (200, "n15075141")):
            for number in range(count):
                yield f"{part}/{wnid}/{wnid}_{number}.JPEG", image(grey + number)


def coco():
    for part in ("train2014", "val2014"):
        name = f"COCO_{part}_000000000007.jpg"
        captions = [{"image_id": 7, "id": number, "caption": SAID["en"]} for number in range(5)]
        yield f"{part}/{name}", image(50)
        complete = {"images": [{"id": 7, "file_name": name}], "annotations": captions}
        yield f"annotations/captions_{part}.json", json.dumps(complete).encode()


def treebank():
    for section in ("02", "22", "23"):
        tree = "( (S (NP-SBJ (DT A) (NN dog)) (VP (VBZ runs) (NP (-NONE- *))) (. .)) )\n"
        yield f"parsed/mrg/wsj/{section}/wsj_{section}01.mrg", tree.encode()


def wmt(other):
    for language in ("en", other):
        for stem in ("train", "newstest2013", "newstest2014"):
            yield f"{stem}.{language}", f"{SAID[language]}\n{SAID[language]}\n".encode()


@pytest.fixture
def corpora(tmp_path):
    root = tmp_path / "corpora"
    files = {
        "wsj": wsj_speech(),
        "imagenet": imagenet(),
        "coco": coco(),
        "treebank": treebank(),
        "wmt14_ende": wmt("de"),
        "wmt14_enfr": wmt("fr"),
    }
    for folder, entries in files.items():
        for name, content in entries:
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def test_the_papers_eight_become_records_by_one_command(command, corpora, tmp_path):
    data = tmp_path / "data"
    done = command("datagen", "--problems=paper", f"--tmp_dir={corpora}", f"--data_dir={data}")
    assert done.returncode == 0, done.stderr
    assert f"speech_wsj: {corpora / 'wsj'}: 2 of the 37,416 utterances of train are present." in done.stdout
    assert f"parsing_wsj: {corpora / 'treebank'} lacks sections 03, 04" in done.stdout
    shown = {}
    for name in RUNS["paper"]:
        ready = open_problem(name, PROBLEMS[name], data)
        assert set(ready.manifest.splits) >= {"train", "dev"}
        shown[name] = inspect(ready, "dev", 1)[-1].partition(": ")[2]
    assert shown == {
        "speech_wsj": "A DOG RUNS",
        "image_imagenet": "n01440764",
        "image_captions_coco": SAID["en"],
        "parsing_wsj": "(S (NP (DT A) (NN dog)) (VP (VBZ runs)) (. .))",
        "translate_ende_wmt14": SAID["de"],
        "translate_deen_wmt14": SAID["en"],
        "translate_enfr_wmt14": SAID["fr"],
        "translate_fren_wmt14": SAID["en"],
    }
    assert len(list(data.glob("vocab.*.model"))) == 1  # all texts share one


def test_what_is_missing_is_named_with_where_to_put_it_and_where_it_is_to_be_had(command, tmp_path):
    for name, parts in {
        "speech_wsj": ("wsj lacks", "13-34.1/wsj1/", "LDC93S6A", "LDC94S13A"),
        "image_imagenet": ("imagenet", "ILSVRC2012_img_train.tar", "image-net.org"),
        "parsing_wsj": ("treebank", "parsed/mrg/wsj", "LDC99T42"),
    }.items():
        done = command("datagen", f"--problems={name}", f"--tmp_dir={tmp_path}", f"--data_dir={tmp_path / 'data'}")
        assert done.returncode == 1
        for part in parts:
            assert part in done.stderr
        assert not (tmp_path / "data").exists()


def test_imagenet_with_its_validation_images_unsorted_is_told_what_to_do_with_ilsvrcs_tars(corpora):
    val = corpora / "imagenet" / "val"
    for path in sorted(val.rglob("*.JPEG")):
        path.rename(val / path.name)
    with pytest.raises(UserError) as refusal:
        PROBLEMS["image_imagenet"].source.splits(corpora)
    assert "val/n01440764_0.JPEG is in no class folder" in str(refusal.value)
    assert "tar files are read without unpacking if they are in tensorflow_datasets/downloads/manual/" in str(
        refusal.value
    )


def test_empty_folders_do_not_hide_imagenets_tars(tmp_path):
    (tmp_path / "imagenet" / "train" / "n01440764").mkdir(parents=True)
    source = PROBLEMS["image_imagenet"].source
    assert not source.present(tmp_path)
    manual = tmp_path / "tensorflow_datasets" / "downloads" / "manual"
    manual.mkdir(parents=True)
    for part in ("train", "val"):
        (manual / f"ILSVRC2012_img_{part}.tar").touch()
    assert source.present(tmp_path)
