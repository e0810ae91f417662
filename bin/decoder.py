"""t2t-mm-decoder: let a trained model answer the lines of a file, or what is typed.

A line is a text, or the path of a picture, relative to the file's folder. Answers come one a line, in the order of the
lines; a line that can't be answered is reported with its number and leaves an empty one. With --return_beams a line
holds all answers, best first, each followed by its score, with tabs between: log-probability over length penalty, or
the probability of a class.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from t2t_mm.bin.command import hushed, run_command
from t2t_mm.bin.flags import DECODER
from t2t_mm.bin.options import decoder_options
from t2t_mm.decoding.answers import DecodeOptions, Failure, Result
from t2t_mm.errors import UnknownName, UserError

if TYPE_CHECKING:
    from t2t_mm.decoding.decoder import Decoder

STDIN = Path("-")
WINDOW = 1024  # lines read, put in order of length and answered at a time: it bounds the memory that pictures take
CLASSES = 5  # that --return_beams gives at least
SWITCH = "problem="  # begins a typed line that chooses another problem


@run_command(DECODER)
def main(argv: Sequence[str]) -> None:
    """Answer a file or a person."""
    options = decoder_options(argv)
    from t2t_mm import rundir  # brings NumPy, which --help can do without

    problems = sorted(rundir.load(options.output_dir).problems)
    problem = options.problem or (problems[0] if len(problems) == 1 else None)
    if problem is not None:
        _check_known(problem, problems)
    if options.decode_interactive:
        if options.decode_from_file is not None:
            raise UserError("Give --decode_from_file or --decode_interactive, not both.")
        converse(_open(options), problem, problems, _how(options), _most(options))
        return
    if problem is None:
        raise UserError(f"--problem is missing: the run learnt {', '.join(problems)}.")
    source, target = options.decode_from_file, options.decode_to_file
    how = _how(options)
    done = failed = 0
    with _lines(source) as lines, _sink(target, source) as sink:
        decoder = _open(options)
        while window := list(islice(lines, WINDOW)):
            folder = Path() if source == STDIN else source.parent
            for number, result in enumerate(answer(decoder, problem, window, folder, how), start=done + 1):
                print("\t".join(show(result, _most(options))), file=sink)
                if isinstance(result, Failure):
                    failed += 1
                    _say(f"line {number:,}: {result.reason}")
            done += len(window)
            sink.flush()
            if target is not None:
                _say(f"{done:,} lines done")
    if failed:
        raise UserError(f"{failed:,} of {done:,} lines could not be decoded; their answers are empty lines.")


def answer(decoder: "Decoder", problem: str, lines: Sequence[bytes], folder: Path, how: DecodeOptions) -> list[Result]:
    """A result for each line, in order; a line that is no UTF-8 or no input of the problem becomes a Failure."""
    codec = decoder.input_codec(problem)
    values: dict[int, Any] = {}
    results: dict[int, Result] = {}
    for place, line in enumerate(lines):
        try:
            text = line.decode("utf-8")
            values[place] = codec.parse(text, folder) if text.strip() else ""
        except UnicodeDecodeError as error:
            results[place] = Failure(f"It is no UTF-8 text: {error.reason} at byte {error.start + 1}.")
        except UserError as error:
            results[place] = Failure(str(error))
    results |= zip(values, decoder.decode(problem, list(values.values()), how), strict=True)
    return [results[place] for place in range(len(lines))]


def show(result: Result, most: int | None) -> list[str]:
    """The best answer, or up to `most` with their scores, in fields without tabs and line ends; none for a Failure."""
    if isinstance(result, Failure):
        return []
    if most is None:
        return [_one_line(result.text)]
    return [field for one in result.answers[:most] for field in (_one_line(one.text), f"{one.score:.4f}")]


def converse(
    decoder: "Decoder", problem: str | None, problems: Sequence[str], how: DecodeOptions, most: int | None
) -> None:
    """Answer line by line until the input ends; nothing that is typed ends it before."""
    _say(f"the run learnt {', '.join(problems)}; {SWITCH}NAME chooses, Ctrl-D ends.")
    with suppress(ImportError):
        import readline  # noqa: F401  lines may be edited and called back
    while True:
        try:
            line = input(f"{problem or ''}> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        try:
            if line.startswith(SWITCH):
                _check_known(line.removeprefix(SWITCH).strip(), problems)
                problem = line.removeprefix(SWITCH).strip()
            elif problem is None:
                raise UserError(f"Choose a problem first, such as {SWITCH}{problems[0]}")
            elif line:
                (result,) = answer(decoder, problem, [line.encode("utf-8", "surrogateescape")], Path(), how)
                if isinstance(result, Failure):
                    raise UserError(result.reason)
                print("\t".join(show(result, most)), flush=True)
        except UserError as error:
            _say(str(error))


def _check_known(problem: str, problems: Sequence[str]) -> None:
    if problem not in problems:
        raise UnknownName("problem of this run", problem, problems)


def _how(options: argparse.Namespace) -> DecodeOptions:
    return DecodeOptions(
        beam_size=options.beam_size,
        alpha=options.alpha,
        extra_length=options.decode_extra_length,
        batch_size=options.decode_batch_size,
        n_best=options.beam_size if options.return_beams else 1,
    )


def _most(options: argparse.Namespace) -> int | None:
    return max(CLASSES, options.beam_size) if options.return_beams else None


def _open(options: argparse.Namespace) -> "Decoder":
    with hushed():
        from t2t_mm.opened_run import open_run

    run = open_run(options.output_dir, options.checkpoint_path)
    _say(f"decoding with {run.checkpoint}")
    return run.decoder


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines of a file, or of standard input, without their ends."""
    if path == STDIN:
        yield _without_ends(sys.stdin.buffer)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"--decode_from_file={path} can't be read: {error.strerror}.") from None
    with file:
        yield _without_ends(file)


def _without_ends(file: BinaryIO) -> Iterator[bytes]:
    for number, line in enumerate(file):
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line  # a byte order mark is no text


@contextmanager
def _sink(path: Path | None, source: Path) -> Iterator[TextIO]:
    """Where answers go: standard output, or a file that takes its name once all is written."""
    if path is None:
        yield sys.stdout
        return
    if path.is_dir():
        raise UserError(f"--decode_to_file={path} is a folder; name a file.")
    if source != STDIN and path.exists() and path.samefile(source):
        raise UserError(f"--decode_to_file={path} is the file to decode; choose another.")
    from t2t_mm.whole_file import whole_file

    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        yield file


def _one_line(text: str) -> str:
    return "".join(" " if letter in "\t\n\r" else letter for letter in text)


def _say(line: str) -> None:
    print(f"{DECODER}: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
