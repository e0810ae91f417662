"""Audio with a table of transcripts."""

from pathlib import Path

import pytest

from t2t_mm.data.sources.hash_split import in_dev
from t2t_mm.data.sources.transcribed_audio import TranscribedAudio
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN

SOURCE = TranscribedAudio("spoken", homepage="example.org/spoken")
IDS = [f"10{number}_{number:x}" for number in range(40)]
SUFFIXES = (".ogg", ".wav", ".FLAC", ".mp3")
FILES = [f"{id}{SUFFIXES[number % 4]}" for number, id in enumerate(IDS)]
LINES = [f"{id}\tA dog , {id} ." for id in IDS]


def fill(tmp_path: Path, lines: list[str], names: list[str] = FILES) -> Path:
    """The corpus; an audio clip holds its own name, since no source looks inside. Returns the table."""
    root = tmp_path / "spoken"
    (root / "audio").mkdir(parents=True)
    for name in names:
        (root / "audio" / name).write_text(name)
    (root / "transcripts.tsv").write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
    return root / "transcripts.tsv"


def refusal(tmp_path: Path) -> str:
    with pytest.raises(UserError) as refused:
        SOURCE.splits(tmp_path)
    return str(refused.value)


def test_an_audio_clip_is_read_with_its_transcript_and_split_by_hash_of_its_id(tmp_path):
    fill(tmp_path, LINES)
    assert SOURCE.present(tmp_path) and SOURCE.splits(tmp_path) == (TRAIN, DEV)
    read = {split: list(SOURCE.examples(split, tmp_path)) for split in (TRAIN, DEV)}
    assert [e.id for e in read[DEV]] == [id for id in IDS if in_dev(id)]
    assert [e.id for e in read[TRAIN]] == [id for id in IDS if not in_dev(id)]
    values = {e.id: dict(e.values) for examples in read.values() for e in examples}
    assert values == {
        id: {"inputs": name.encode(), "targets": f"A dog , {id} ."} for id, name in zip(IDS, FILES, strict=True)
    }


def test_what_editors_leave_behind_is_no_matter(tmp_path):
    table = fill(tmp_path, LINES, [*FILES, ".DS_Store", "._1.ogg", "notes.txt"])
    table.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*LINES, "", " "]).encode())
    examples = [e for split in (TRAIN, DEV) for e in SOURCE.examples(split, tmp_path)]
    assert {e.id for e in examples} == set(IDS)
    assert {e.values["targets"][-1] for e in examples} == {"."}


def test_an_empty_transcript_is_passed_on_to_be_counted(tmp_path):
    fill(tmp_path, [*LINES[1:], f"{IDS[0]}\t"])
    values = {e.id: e.values["targets"] for split in (TRAIN, DEV) for e in SOURCE.examples(split, tmp_path)}
    assert values[IDS[0]] == ""


def test_transcripts_without_their_audio_are_refused_by_file_and_line_and_counted(tmp_path):
    table = fill(tmp_path, [*LINES, "8\tA cat .", "9\tA cow ."])
    message = f"{table}, line 41: no audio file of 8 in {table.parent / 'audio'} (1 more like it). Add the audio file"
    assert message in refusal(tmp_path)


def test_an_audio_clip_without_a_transcript_is_refused_by_name(tmp_path):
    table = fill(tmp_path, LINES, [*FILES, "8.wav"])
    assert f"{table.parent / 'audio' / '8.wav'} has no line in {table}. Add a line" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A cat .", "line 41: expected an id, a tab and a transcript; found 1 columns, 'A cat .'"),
        (f"{IDS[0]}\tA\tcat", "line 41: expected an id, a tab and a transcript; found 3 columns"),
        ("\tA cat", "line 41: expected an id"),
        (LINES[2], f"line 41: {IDS[2]} is already on line 3"),
        ("8\tA cat\udcff", "line 41: the byte 0xff is not UTF-8"),
    ],
)
def test_a_line_at_fault_is_named(tmp_path, line, message):
    table = fill(tmp_path, [*LINES, line])
    assert f"{table}, {message}" in refusal(tmp_path)


def test_two_audio_files_of_one_id_are_refused(tmp_path):
    fill(tmp_path, LINES, [*FILES, f"{IDS[0]}.flac"])
    assert f"holds {IDS[0]}.flac and {IDS[0]}.ogg" in refusal(tmp_path)


@pytest.mark.parametrize("missing", ["transcripts.tsv", "audio"])
def test_what_is_missing_is_named_with_the_layout_and_where_to_get_it(tmp_path, missing):
    assert not SOURCE.present(tmp_path)
    fill(tmp_path, LINES)
    (tmp_path / "spoken" / missing).rename(tmp_path / "elsewhere")
    message = refusal(tmp_path)
    for part in (str(tmp_path / "spoken"), "an id, a tab and a transcript", "audio/<id>", "example.org/spoken"):
        assert part in message
