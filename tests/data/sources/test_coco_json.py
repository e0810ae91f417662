"""Images with captions in COCO's JSON files."""

import json
from pathlib import Path
from typing import Any

import pytest

from t2t_mm.data.sources.coco_json import CocoJson
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN

SOURCE = CocoJson("coco", homepage="example.org/coco")


def captions(*rows: tuple[int, str]) -> dict[str, Any]:
    """A file of captions for images 7 and 3, listed in that order, with the fields that COCO has."""
    return {
        "info": {"year": 2017},
        "licenses": [],
        "images": [
            {"id": id, "file_name": f"{id:012d}.jpg", "license": 4, "height": 8, "width": 8, "coco_url": "http://x"}
            for id in (7, 3)
        ],
        "annotations": [{"image_id": id, "id": 100 - n, "caption": text} for n, (id, text) in enumerate(rows)],
    }


GOOD = captions((3, "A dog."), (7, "A cat. "), (3, "A hound\non\ngrass.\n"), (7, "Two cats."))


def fill(tmp_path: Path, year: int = 2017, **parts: Any) -> Path:
    """The corpus; an image holds its part and name, since no source looks inside."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for part in ("train", "val"):
        (root / f"{part}{year}").mkdir()
        for id in (7, 3):
            (root / f"{part}{year}" / f"{id:012d}.jpg").write_text(f"{part} {id}")
        content = parts.get(part, GOOD)
        text = content if isinstance(content, str) else json.dumps(content)
        (root / "annotations" / f"captions_{part}{year}.json").write_text(text)
    return root


def refusal(tmp_path: Path) -> str:
    with pytest.raises(UserError) as refused:
        SOURCE.splits(tmp_path)
    return str(refused.value)


def test_an_image_has_its_captions_in_the_order_of_the_annotations_each_on_one_line(tmp_path):
    fill(tmp_path)
    assert SOURCE.present(tmp_path) and SOURCE.splits(tmp_path) == (TRAIN, DEV)
    assert [(e.id, dict(e.values)) for e in SOURCE.examples(TRAIN, tmp_path)] == [
        ("train2017/000000000007.jpg", {"inputs": b"train 7", "targets": ("A cat.", "Two cats.")}),
        ("train2017/000000000003.jpg", {"inputs": b"train 3", "targets": ("A dog.", "A hound on grass.")}),
    ]
    assert [e.values["inputs"] for e in SOURCE.examples(DEV, tmp_path)] == [b"val 7", b"val 3"]


def test_the_newest_year_that_is_whole_is_read(tmp_path):
    root = fill(tmp_path, 2014)
    assert [e.id for e in SOURCE.examples(DEV, tmp_path)] == ["val2014/000000000007.jpg", "val2014/000000000003.jpg"]
    fill(tmp_path, 2017)
    assert next(SOURCE.examples(DEV, tmp_path)).id == "val2017/000000000007.jpg"
    (root / "val2017").rename(root / "elsewhere")
    assert next(SOURCE.examples(DEV, tmp_path)).id == "val2014/000000000007.jpg"


def test_a_corpus_that_is_half_there_is_told_by_what_it_lacks(tmp_path):
    assert not SOURCE.present(tmp_path)
    root = fill(tmp_path)
    (root / "val2017").rename(root / "elsewhere")
    assert SOURCE.present(tmp_path)
    message = refusal(tmp_path)
    assert f"2017 lacks {root / 'val2017'}. Expected: annotations/captions_train2017.json" in message
    assert "example.org/coco" in message


def test_coco_for_detection_alone_is_told_what_it_lacks(tmp_path):
    """It counts as present, so that nothing large is downloaded in place of two small files."""
    root = fill(tmp_path)
    for part in ("train", "val"):
        path = root / "annotations" / f"captions_{part}2017.json"
        path.rename(path.with_name(f"instances_{part}2017.json"))
    assert SOURCE.present(tmp_path)
    annotations = root / "annotations"
    lacking = f"{annotations / 'captions_train2017.json'}, {annotations / 'captions_val2017.json'}"
    assert f"2017 lacks {lacking}. Expected" in refusal(tmp_path)


def test_an_image_without_its_file_is_refused_and_others_are_counted(tmp_path):
    root = fill(tmp_path)
    for id in (7, 3):
        (root / "val2017" / f"{id:012d}.jpg").unlink()
    message = (
        f"captions_val2017.json: image 7 is 000000000007.jpg, which is not in {root / 'val2017'} (1 more like it)."
    )
    assert message in refusal(tmp_path)


def test_files_that_the_json_does_not_list_are_not_read(tmp_path):
    root = fill(tmp_path)
    (root / "val2017" / "000000000008.jpg").touch()
    assert len(list(SOURCE.examples(DEV, tmp_path))) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (captions((3, "A."), (9, "B."), (7, "C.")), "annotation 2 belongs to image 9, which 'images' does not list"),
        (captions((3, "A.")), "image 7, 000000000007.jpg, has no caption"),
        (json.dumps(GOOD)[:-20], "is not a complete JSON file"),
        ("", "is not a complete JSON file"),
        ("[" * 100_000, "nests lists or objects too deeply to be read"),
        ([], "has no list 'images'"),
        ({"images": []}, "has no list 'annotations'"),
        (captions((3, "A."), (7, "A \ud83d cat.")), r"the caption 99 holds \ud83d, half of a character, at place 3."),
        (
            GOOD | {"images": [*GOOD["images"], {"id": 8, "file_name": f"{7:012d}.jpg"}]},
            "the images 7 and 8 have the same file, 000000000007.jpg",
        ),
        (
            GOOD | {"images": [*GOOD["images"], {"id": 7, "file_name": f"{8:012d}.jpg"}]},
            "'images' lists 7 twice, as 000000000007.jpg and as 000000000008.jpg",
        ),
        (GOOD | {"images": [{"id": 7}]}, "entry 1 of 'images' lacks id or file_name"),
        (GOOD | {"annotations": [*GOOD["annotations"], {"image_id": 7, "bbox": []}]}, "entry 5 of 'annotations' lacks"),
        (GOOD | {"annotations": [7]}, "entry 1 of 'annotations' lacks"),
    ],
)
def test_a_broken_file_is_named_with_the_entry_at_fault(tmp_path, content, message):
    root = fill(tmp_path, val=content)
    refused = refusal(tmp_path)
    assert str(root / "annotations" / "captions_val2017.json") in refused and message in refused
    assert "\n" not in refused
