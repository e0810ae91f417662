"""TensorBoard event files: scalars, texts and images, written without TensorFlow.

They are written with the record format of the tensorboard package. Its EventFileWriter would import TensorFlow for the
file system, and it writes from a thread, where a full disk goes unnoticed. This one writes at once and raises OSError.
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
class Summaries:
    """Scalars, texts and images to log together, by tag."""

    scalars: dict[str, float] = field(default_factory=dict)
    texts: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # tables: rows of (label, text)
    images: dict[str, Image.Image] = field(default_factory=dict)


class EventFile:
    """One event file in `folder`, of a run that continues from step `start`."""

    def __init__(self, folder: Path, start: int) -> None:
        now = time.time()
        self._file = open(folder / f"events.out.tfevents.{int(now):010d}.{os.getpid()}", "ab")  # noqa: SIM115
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=now, file_version="brain.Event:2"))
        # TensorBoard then drops what an interrupted run logged after the checkpoint that this one continues from.
        self._write(Event(wall_time=now, step=start + 1, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step: int, shown: Summaries) -> None:
        """Log `shown` at `step`."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in shown.scalars.items()]
        values += [_text(tag, rows) for tag, rows in shown.texts.items()]
        values += [_image(tag, image) for tag, image in shown.images.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())


def plain(text: str) -> str:
    """Return `text` as Markdown that shows it unchanged on one line: TensorBoard reads texts as Markdown."""
    return " ".join(text.split()).translate(MARKDOWN)


def _text(tag: str, rows: list[tuple[str, str]]) -> Summary.Value:
    cells = [plain(cell).encode() for row in rows for cell in row]
    sides = [TensorShapeProto.Dim(size=size) for size in (len(rows), 2)]
    table = TensorProto(dtype=DT_STRING, tensor_shape=TensorShapeProto(dim=sides), string_val=cells)
    return Summary.Value(tag=tag, metadata=create_summary_metadata(display_name="", description=""), tensor=table)


def _image(tag: str, image: Image.Image) -> Summary.Value:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    encoded = Summary.Image(
        height=image.height, width=image.width, colorspace=RGB, encoded_image_string=file.getvalue()
    )
    return Summary.Value(tag=tag, image=encoded)
