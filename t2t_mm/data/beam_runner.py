"""Which runner of Apache Beam makes records, with which options; and TFDS's data sets, where it makes them on Beam."""

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
SAME = {LOCAL: "FnApiRunner"}  # which is what the first is, once it has not found the program it looks for on GitHub


@dataclass(frozen=True)
class Beam:
    """A runner, by Beam's name for it, and its options, such as `direct_num_workers=4`."""

    runner: str = LOCAL
    options: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises UserError where Beam is not installed, knows no such runner, or takes no such value of an option."""
        if importlib.util.find_spec("apache_beam") is None:
            raise UserError("--runner is for Apache Beam, which is not installed: pip install 't2t_mm[beam]'.")
        logging.disable(logging.WARNING)  # as it loads, it warns of clouds whose packages are not there
        try:
            from apache_beam.runners.runner import create_runner

            create_runner(self.name)
        except (ValueError, ImportError, AttributeError) as error:
            raise UserError(f"Apache Beam has no runner {self.runner!r} here: {said(error)}") from None
        finally:
            logging.disable(logging.NOTSET)
        self.pipeline_options()

    @property
    def name(self) -> str:
        """The runner's."""
        return SAME.get(self.runner, self.runner)

    def pipeline_options(self) -> Any:
        """The options as Beam takes them. Raises UserError for a value that one can't have."""
        from apache_beam.options.pipeline_options import PipelineOptions

        printed = io.StringIO()
        try:
            with contextlib.redirect_stderr(printed):  # Beam would print its hundred flags
                options = PipelineOptions([f"--{option}" for option in self.options])
                options.get_all_options()
        except SystemExit:
            raise UserError(f"--beam_options: {printed.getvalue().strip().rpartition('error: ')[2]}.") from None
        return options


_for_tfds: ContextVar[Beam | None] = ContextVar("_for_tfds", default=None)


@contextlib.contextmanager
def preparing_on(beam: Beam | None) -> Iterator[None]:
    """Let TFDS prepare on `beam`, within, what it prepares on Beam: a source does so when it is first read."""
    before = _for_tfds.set(beam)
    try:
        yield
    finally:
        _for_tfds.reset(before)


def of_tfds() -> dict[str, Any]:
    """What TFDS's DownloadConfig is to be told of Beam."""
    beam = _for_tfds.get()
    return {} if beam is None else {"beam_runner": beam.name, "beam_options": beam.pipeline_options()}


def said(error: Exception) -> str:
    """The last line of an error, which is the cause where a traceback of a worker comes before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
