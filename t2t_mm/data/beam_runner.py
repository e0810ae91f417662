"""The Apache Beam runner that makes records, its options, and its use by TensorFlow Datasets."""

import contextlib
import importlib.util
import io
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from t2t_mm.errors import UserError

LOCAL = "DirectRunner"
ALIASES = {LOCAL: "FnApiRunner"}  # DirectRunner falls back to it after it fails to find a program on GitHub


@dataclass(frozen=True)
class Beam:
    """A Beam runner, by Beam's name for it, and its options, such as `direct_num_workers=4`."""

    runner: str = LOCAL
    options: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise UserError if Beam is not installed, has no such runner, or rejects the value of an option."""
        if importlib.util.find_spec("apache_beam") is None:
            raise UserError("--runner is for Apache Beam, which is not installed: pip install 't2t_mm[beam]'.")
        logging.disable(logging.WARNING)  # while it loads, it warns about cloud packages that are not installed
        try:
            from apache_beam.runners.runner import create_runner

            create_runner(self.name)
        except (ValueError, ImportError, AttributeError) as error:
            raise UserError(f"Apache Beam has no runner {self.runner!r} here: {last_line(error)}") from None
        finally:
            logging.disable(logging.NOTSET)
        self.pipeline_options()

    @property
    def name(self) -> str:
        """The name of the runner that Beam is given."""
        return ALIASES.get(self.runner, self.runner)

    def pipeline_options(self) -> Any:
        """Return the options as Beam takes them. Raises UserError for an invalid value."""
        from apache_beam.options.pipeline_options import PipelineOptions

        printed = io.StringIO()
        try:
            with contextlib.redirect_stderr(printed):  # Beam would print all of its flags
                options = PipelineOptions([f"--{option}" for option in self.options])
                options.get_all_options()
        except SystemExit:
            raise UserError(f"--beam_options: {printed.getvalue().strip().rpartition('error: ')[2]}.") from None
        return options


_for_tfds: ContextVar[Beam | None] = ContextVar("_for_tfds", default=None)


@contextlib.contextmanager
def tfds_prepares_on(beam: Beam | None) -> Iterator[None]:
    """Within this context, TFDS prepares its Beam data sets on `beam`. A source prepares when it is first read."""
    before = _for_tfds.set(beam)
    try:
        yield
    finally:
        _for_tfds.reset(before)


def tfds_download_options() -> dict[str, Any]:
    """Return the arguments about Beam for TFDS's DownloadConfig."""
    beam = _for_tfds.get()
    return {} if beam is None else {"beam_runner": beam.name, "beam_options": beam.pipeline_options()}


def last_line(error: Exception) -> str:
    """Return the last line of an error: the cause, if the traceback of a worker comes before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
