"""The parser of flags, the exit codes and the errors of one line that all commands share.

An error in a flag ends a command with code 2, any other error of the user's with code 1.
"""

import argparse
import errno
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from t2t_mm.errors import UserError

Main = Callable[[Sequence[str]], int | None]
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


def run_command(name: str) -> Callable[[Main], Callable[..., int]]:
    """Make a function of the arguments into the command `name`, which returns an exit code.

    The code is what `main` returns; None stands for 0. A UserError becomes one line on stderr and code 1, and so does a
    disk that is full or cannot be written to. Ctrl-C gives 130. A reader of the output that has gone away, as in
    `... | head`, gives 141 without a message.
    """

    def decorate(main: Main) -> Callable[..., int]:
        @functools.wraps(main)
        def command(argv: Sequence[str] | None = None) -> int:
            try:
                try:
                    return main(sys.argv[1:] if argv is None else argv) or 0
                finally:
                    sys.stdout.flush()  # here, where BrokenPipeError is caught
            except UserError as error:
                return _stop(name, str(error), 1)
            except KeyboardInterrupt:
                return _stop(name, "stopped", 130)
            except BrokenPipeError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at exit
                return 141
            except OSError as error:
                if error.errno not in CANNOT_WRITE:
                    raise
                return _stop(name, f"{error.strerror}: {error.filename or 'while writing'}.", 1)

        return command

    return decorate


@contextmanager
def hushed() -> Iterator[None]:
    """Discard what libraries print from C++ while they load: TensorFlow prints a greeting at any log level.

    Python's own errors are not lost: they are raised, not printed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what it prints later
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _stop(name: str, sentence: str, code: int) -> int:
    print(f"{name}: {sentence}", file=sys.stderr)
    return code


class Parser(argparse.ArgumentParser):
    """An argparse parser with flags in titled groups, no abbreviations, and errors of one line."""

    def __init__(self, prog: str, description: str, example: str) -> None:
        super().__init__(
            prog,
            usage=f"{prog} --flag=value ...",
            description=description,
            epilog=f"Example: {example}",
            allow_abbrev=False,
            add_help=False,
        )

    def group(self, title: str) -> Callable[..., Any]:
        """Begin a new group of flags in the help, and return its `add_argument`."""
        return self.add_argument_group(title).add_argument

    def flags(self) -> list[str]:
        """Return every flag, with its dashes."""
        return [flag for action in self._actions for flag in action.option_strings]

    def error(self, message: str) -> NoReturn:
        """Print `message` as one line and exit with 2."""
        end = "" if message.endswith((".", "?")) else "."
        self.exit(2, f"{self.prog}: {message}{end} See {self.prog} --help.\n")


def boolean(text: str) -> bool:
    """Return a flag's value as T2T writes them: true or false, 1 or 0, yes or no."""
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected true or false; received {text!r}.")
    return values[text.lower()]


def at_least(least: int) -> Callable[[str], int]:
    """Return the type of a flag whose value is a whole number of at least `least`."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}; received {text!r}.")
        return value

    return number
