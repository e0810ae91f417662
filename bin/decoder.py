"""t2t-mm-decoder: let a trained model answer the lines of a file, or what is typed.

A line is a text, the path of a sound or picture, relative to the file's folder, or a JSON request. Answers come one a
line, in the order of the lines, as text or as JSON; a line that can't be answered is reported with its number and, as
text, leaves an empty one. With --return_beams a line holds all answers, best first, each followed by its score, with
tabs between: log-probability over length penalty, or the probability of a class. A line of a language model is a
beginning, and its answers begin with it.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from t2t_mm.bin.command import hushed, run_command
from t2t_mm.bin.decoder_answers import Writer
from t2t_mm.bin.decoder_requests import Reader, check_known, fingerprint, lines_of
from t2t_mm.bin.decoder_windows import Printed, Share, Sink, kept, shard_path, share, window_lines, windows_of
from t2t_mm.bin.flags import DECODER
from t2t_mm.bin.options import STDIN, decoder_options
from t2t_mm.decoding.answers import DecodeOptions, Failure, Sampling
from t2t_mm.errors import UserError

if TYPE_CHECKING:
    from t2t_mm.run_tools.trained_run import TrainedRun

CLASSES = 5  # that --return_beams gives at least
SWITCH = "problem="  # begins a typed line that chooses another problem
NAME_ONE = 'Name one with --problem, or in the line: {"problem": "...", "inputs": "..."}.'


@run_command(DECODER)
def main(argv: Sequence[str]) -> None:
    """Answer a file or a person."""
    options = decoder_options(argv)
    from t2t_mm import run_directory  # brings NumPy, which --help can do without

    problems = sorted(run_directory.load(options.output_dir).problems)
    problem = options.problem or (problems[0] if len(problems) == 1 else None)
    if problem is not None:
        check_known(problem, problems)
    if options.decode_interactive:
        converse(options, problem, problems)
    else:
        decode_file(options, problem)


def decode_file(options: argparse.Namespace, problem: str | None) -> None:
    """Answer every line of a file, or a worker's share of them."""
    source, shards, shard = options.decode_from_file, options.decode_shards, options.shard_id
    target = options.decode_to_file and shard_path(options.decode_to_file, shards, shard)
    how = _how(options)
    writer, size = _writer(options, how), window_lines(how.batch_size)
    ours = Share() if shards == 1 else share(_windows_in(source, size), shards, shard)
    done = failed = 0
    with _lines(source) as lines, _sink(target, source) as sink:
        run = _open(options)
        reader = Reader(run.decoder, problem, Path() if source == STDIN else source.parent, NAME_ONE)
        made_from = _made_from(run, f"{how} {writer}") if target else {}
        for index, window in ours.of(windows_of(lines, size)):
            numbered = enumerate(window, start=index * size + 1)
            requests = [reader.read(number, line) for number, line in numbered]
            write = partial(writer.write, run.decoder, requests, how)
            answered = sink.take(index, made_from | {"input": fingerprint(requests)}, write)
            for slip in answered.slips:
                _say(slip)
            done, failed = done + len(window), failed + len(answered.slips)
            if target:
                _say(f"{done:,} lines done")
        sink.finish()
    if failed:
        instead = "are empty lines" if writer.format == "text" else "say why"
        raise UserError(f"{failed:,} of {done:,} lines could not be decoded; their answers {instead}.")


def converse(options: argparse.Namespace, problem: str | None, problems: Sequence[str]) -> None:
    """Answer line by line until the input ends; nothing that is typed ends it before."""
    how = _how(options)
    writer = _writer(options, how)
    decoder = _open(options).decoder
    reader = Reader(decoder, problem, Path(), f"Choose a problem first: {SWITCH}NAME.")
    _say(f"the run learnt {', '.join(problems)}; {SWITCH}NAME chooses, Ctrl-D ends.")
    with suppress(ImportError):
        import readline  # noqa: F401  lines may be edited and called back
    number = 0
    while True:
        try:
            line = input(f"{reader.problem or ''}> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        try:
            if line.strip().startswith(SWITCH):
                chosen = line.strip().removeprefix(SWITCH).strip()
                check_known(chosen, problems)
                reader = replace(reader, problem=chosen)
            elif line.strip() or (reader.problem is not None and decoder.continues(reader.problem)):
                number += 1
                request = reader.read(number, line.encode("utf-8", "surrogateescape"))
                (answer,) = writer.write(decoder, [request], how).lines
                if writer.format == "text" and isinstance(request.item, Failure):
                    raise UserError(request.item.reason)
                print(answer, flush=True)
        except UserError as error:
            _say(str(error))


def _how(options: argparse.Namespace) -> DecodeOptions:
    sampling = None
    if options.sampling_method == "random":
        sampling = Sampling(
            temperature=options.sampling_temp,
            top_k=options.sampling_top_k,
            top_p=options.sampling_top_p,
            seed=options.random_seed,
        )
    return DecodeOptions(
        beam_size=options.beam_size,
        alpha=options.alpha,
        extra_length=options.decode_extra_length,
        batch_size=options.decode_batch_size,
        n_best=options.num_samples if sampling else options.beam_size if options.return_beams else 1,
        sampling=sampling,
    )


def _writer(options: argparse.Namespace, how: DecodeOptions) -> Writer:
    several = options.return_beams or options.num_samples > 1
    return Writer(options.decode_output_format, max(CLASSES, how.n_best) if several else None)


def _made_from(run: "TrainedRun", options: str) -> dict[str, str]:
    """What answers stand on beside the lines: those of another model or of other options are not gone on with."""
    from t2t_mm import run_directory

    model = f"{run_directory.fingerprint(run.checkpoint)} {run.config.hparams} {run.config.target_ratios}"
    return {"model": model, "set of options": options, "machine or version": f"{run_directory.versions()}"}


def _open(options: argparse.Namespace) -> "TrainedRun":
    with hushed():
        from t2t_mm.run_tools.trained_run import open_run

    run = open_run(options.output_dir, options.checkpoint_path)
    _say(f"decoding with {run.checkpoint}")
    return run


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines of a file, or of standard input, without their ends."""
    if path == STDIN:
        yield lines_of(sys.stdin.buffer)
        return
    try:
        if path.is_char_device() or path.is_block_device():
            raise UserError(f"--decode_from_file={path} is a device; - reads standard input.")
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"--decode_from_file={path} can't be read: {error.strerror}.") from None
    with file:
        yield lines_of(file)


def _windows_in(path: Path, size: int) -> int:
    with _lines(path) as lines:
        return -(-sum(1 for _ in lines) // size)


@contextmanager
def _sink(target: Path | None, source: Path) -> Iterator[Sink]:
    """Where answers go: standard output, or a file that takes its name once all is written."""
    if target is None:
        yield Printed()
        return
    if target.is_dir():
        raise UserError(f"--decode_to_file={target} is a folder; name a file.")
    if source != STDIN and target.exists() and target.samefile(source):
        raise UserError(f"--decode_to_file={target} is the file to decode; choose another.")
    with kept(target, _say) as keeping:
        yield keeping


def _say(line: str) -> None:
    print(f"{DECODER}: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
