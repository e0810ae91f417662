"""Images with a table of captions, as Flickr8k comes."""

from pathlib import Path

import pytest

from t2t_mm.data.sources.caption_table import CaptionTable
from t2t_mm.data.sources.hash_split import in_dev
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN

SOURCE = CaptionTable("flickr8k", homepage="example.org/flickr8k")
IDS = [f"10{number}_{number:x}" for number in range(40)]
LINES = ["image,caption", *(f"{id}.jpg,{text}" for id in IDS for text in (f"A dog {id} .", f'"A hound , {id} ."'))]


def fill(tmp_path: Path, lines: list[str] | bytes, folder: str = "images", names: list[str] | None = None) -> Path:
    """The corpus; an image holds its own name, since no source looks inside. Returns the table."""
    root = tmp_path / "flickr8k"
    (root / folder).mkdir(parents=True)
    for name in names if names is not None else [f"{id}.jpg" for id in IDS]:
        (root / folder / name).write_text(name)
    table = root / "captions.txt"
    table.write_bytes(lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode())
    return table


def read(tmp_path: Path, split: str = TRAIN) -> dict[str, tuple[bytes, tuple[str, ...]]]:
    return {e.id: (e.values["inputs"], e.values["targets"]) for e in SOURCE.examples(split, tmp_path)}


def refusal(tmp_path: Path) -> str:
    with pytest.raises(UserError) as refused:
        SOURCE.splits(tmp_path)
    return str(refused.value)


@pytest.mark.parametrize("folder", ["images", "Images"])
def test_an_image_is_one_example_with_all_its_captions_and_is_named_by_its_stem(tmp_path, folder):
    fill(tmp_path, LINES, folder)
    assert SOURCE.present(tmp_path) and SOURCE.splits(tmp_path) == (TRAIN, DEV)
    both = read(tmp_path, TRAIN) | read(tmp_path, DEV)
    assert both == {id: (f"{id}.jpg".encode(), (f"A dog {id} .", f"A hound , {id} .")) for id in IDS}


def test_every_tenth_by_hash_of_the_id_is_dev_and_the_order_is_the_tables(tmp_path):
    fill(tmp_path, [LINES[0], *reversed(LINES[1:])])
    train, dev = list(read(tmp_path, TRAIN)), list(read(tmp_path, DEV))
    assert dev == [id for id in reversed(IDS) if in_dev(id)] and dev
    assert train == [id for id in reversed(IDS) if not in_dev(id)]


def test_lines_of_an_image_may_stand_apart(tmp_path):
    fill(tmp_path, [*LINES, f"{IDS[0]}.jpg,A third ."])
    both = read(tmp_path, TRAIN) | read(tmp_path, DEV)
    assert both[IDS[0]][1] == (f"A dog {IDS[0]} .", f"A hound , {IDS[0]} .", "A third .")


def test_what_editors_leave_behind_is_no_matter(tmp_path):
    """A mark at the beginning, CR LF, blank lines, blanks around cells, hidden files."""
    lines = [*LINES, "", f" {IDS[0]}.jpg , A third . ", ""]
    names = [*(f"{id}.jpg" for id in IDS), ".DS_Store", "._x.jpg", "Thumbs.db"]
    fill(tmp_path, b"\xef\xbb\xbf" + "\r\n".join(lines).encode(), names=names)
    both = read(tmp_path, TRAIN) | read(tmp_path, DEV)
    assert set(both) == set(IDS) and both[IDS[0]][1][2] == "A third ."


def test_a_quotation_within_a_caption_is_doubled_as_csv_has_it(tmp_path):
    fill(tmp_path, [*LINES, f'{IDS[0]}.jpg,"A "" red "" one , too"'])
    assert (read(tmp_path, TRAIN) | read(tmp_path, DEV))[IDS[0]][1][2] == 'A " red " one , too'


def test_the_text_can_be_had_without_reading_an_image(tmp_path):
    fill(tmp_path, LINES)
    (first, *_) = SOURCE.examples(TRAIN, tmp_path)
    (tmp_path / "flickr8k" / "images" / f"{first.id}.jpg").unlink()
    assert first.values["targets"][0] == f"A dog {first.id} ."
    with pytest.raises(UserError, match=f"The image .*{first.id}.jpg can't be read"):
        first.values["inputs"]


def test_captions_without_their_image_are_refused_by_file_and_line_and_counted(tmp_path):
    table = fill(tmp_path, [*LINES, "225_58.jpg.1,A boy .", "225_58.jpg.1,A girl .", "9.jpg,A cat ."])
    message = refusal(tmp_path)
    assert f"{table}, line 82: no image 225_58.jpg.1 in {table.parent / 'images'} (1 more like it)." in message
    assert "Add the image or remove its lines." in message


def test_images_without_a_caption_are_refused_by_name(tmp_path):
    table = fill(tmp_path, LINES, names=[*(f"{id}.jpg" for id in IDS), "7.jpg", "8.PNG"])
    assert f"{table.parent / 'images' / '7.jpg'} has no caption in {table} (1 more like it)." in refusal(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1.jpg", "line 82: expected a file name and a caption, quoted if it has a comma; found 1 columns, '1.jpg'"),
        (
            "1.jpg,A dog, a cat",
            "line 82: expected a file name and a caption, quoted if it has a comma; found 3 columns",
        ),
        (",A dog", "line 82: expected a file name and a caption"),
        ('1.jpg,"A dog', "line 82: quotation marks are not closed"),
        ('1.jpg,"A dog" barks', "line 82: quotation marks are not closed or not valid in CSV"),
        ('1.jpg,"A dog\n2.jpg,barks"', "line 82: the caption continues to line 83"),
        ("image,caption", "line 82: no image image in"),
        ("1.jpg,A dog\udcff", "line 82: the byte 0xff is not UTF-8"),
    ],
)
def test_a_line_at_fault_is_named(tmp_path, line, message):
    complete = "".join(f"{text}\n" for text in [*LINES, line]).encode("utf-8", "surrogateescape")
    table = fill(tmp_path, complete)
    assert f"{table}, {message}" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (LINES[1:], "line 1: expected the header image,caption; found '100_0.jpg,A dog 100_0 .'"),
        (b"", "captions.txt is empty; expected the header image,caption"),
        (["image,caption"], "images/100_0.jpg has no caption"),
    ],
)
def test_a_table_without_header_or_lines_is_refused(tmp_path, lines, message):
    fill(tmp_path, lines)
    assert message in refusal(tmp_path)


def test_two_images_of_one_id_are_refused(tmp_path):
    names = [*(f"{id}.jpg" for id in IDS), f"{IDS[0]}.png"]
    fill(tmp_path, [*LINES, f"{IDS[0]}.png,A drawing ."], names=names)
    assert f"holds {IDS[0]}.jpg and {IDS[0]}.png" in refusal(tmp_path)


def test_too_few_images_to_hold_any_out_are_refused(tmp_path):
    id = next(id for id in IDS if not in_dev(id))
    fill(tmp_path, ["image,caption", f"{id}.jpg,A dog ."], names=[f"{id}.jpg"])
    assert "holds too few images to hold out a tenth of them by hash: 1." in refusal(tmp_path)


@pytest.mark.parametrize("missing", ["captions.txt", "images"])
def test_what_is_missing_is_named_with_the_layout_and_where_to_get_it(tmp_path, missing):
    assert not SOURCE.present(tmp_path)
    fill(tmp_path, LINES)
    (tmp_path / "flickr8k" / missing).rename(tmp_path / "elsewhere")
    message = refusal(tmp_path)
    for part in (str(tmp_path / "flickr8k"), missing, "header image,caption", "example.org/flickr8k"):
        assert part in message
