"""Scalars, texts and pictures for TensorBoard, written with the tensorboard package's own records, without TensorFlow.

Its EventFileWriter would import TensorFlow for the file system, and it writes from a thread, where a full disk goes
unnoticed; this one writes at once and lets OSError through.
"""

import io
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter

MARKDOWN = {ord(sign): f"\\{sign}" for sign in r"\`*_{}[]()#+-.!|>"} | {ord("<"): "&lt;", ord("&"): "&amp;"}
RGB = 3  # TensorBoard's number for three colours


@dataclass(frozen=True)
class Exhibit:
    """What belongs together in a log, by tag."""

    scalars: dict[str, float] = field(default_factory=dict)
    texts: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # tables: rows of (what, text)
    pictures: dict[str, Image.Image] = field(default_factory=dict)


class EventFile:
    """One events file in `folder`, of a run that goes on from step `start`."""

    def __init__(self, folder: Path, start: int) -> None:
        now = time.time()
        self._file = open(folder / f"events.out.tfevents.{int(now):010d}.{os.getpid()}", "ab")  # noqa: SIM115
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=now, file_version="brain.Event:2"))
        # TensorBoard then forgets what a run that was cut off logged behind the checkpoint that this one goes on from.
        self._write(Event(wall_time=now, step=start + 1, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step: int, shown: Exhibit) -> None:
        """Log `shown` at `step`."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in shown.scalars.items()]
        values += [_text(tag, rows) for tag, rows in shown.texts.items()]
        values += [_picture(tag, picture) for tag, picture in shown.pictures.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())


def plain(text: str) -> str:
    """Markdown, as which TensorBoard reads texts, that shows `text` as it is, on one line."""
    return " ".join(text.split()).translate(MARKDOWN)


def _text(tag: str, rows: list[tuple[str, str]]) -> Summary.Value:
    cells = [plain(cell).encode() for row in rows for cell in row]
    sides = [TensorShapeProto.Dim(size=size) for size in (len(rows), 2)]
    table = TensorProto(dtype=DT_STRING, tensor_shape=TensorShapeProto(dim=sides), string_val=cells)
    return Summary.Value(tag=tag, metadata=create_summary_metadata(display_name="", description=""), tensor=table)


def _picture(tag: str, picture: Image.Image) -> Summary.Value:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    image = Summary.Image(
        height=picture.height, width=picture.width, colorspace=RGB, encoded_image_string=file.getvalue()
    )
    return Summary.Value(tag=tag, image=image)
