"""t2t-mm-decoder: decode the lines of a file, or lines that are typed, with a trained model.

A line is a text, the path of an image or audio file, relative to the folder of the file of lines, or a JSON request.
One line is written for each line that is read, in the same order, as text or as JSON. A line that cannot be decoded is
reported with its number; as text, its answer is an empty line.

With --return_beams an answer holds all hypotheses, best first, each followed by its score, with tabs between. The score
is log-probability / length penalty, or the probability of a class. For a language model, a line is the beginning of a
text, and its answers start with it.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from t2t_mm.bin.command import Parser, hushed, run_command
from t2t_mm.bin.common_flags import (
    add_boolean,
    add_decoding,
    add_number,
    add_path,
    decode_options,
    finish,
    missing_run,
    parse,
)
from t2t_mm.bin.decoder_answers import AnswerWriter
from t2t_mm.bin.decoder_requests import RequestReader, check_known, fingerprint, lines_of
from t2t_mm.bin.decoder_windows import (
    PrintedAnswers,
    Sink,
    WindowRange,
    resumable_file,
    shard_path,
    shard_range,
    window_lines,
    windows_of,
)
from t2t_mm.decoding.answers import DecodeOptions, Failure, Sampling
from t2t_mm.errors import UserError

if TYPE_CHECKING:
    from t2t_mm.run_tools.trained_run import TrainedRun

PROGRAM = "t2t-mm-decoder"
STDIN = Path("-")
SAMPLING = {"sampling_temp": 1.0, "sampling_top_k": 0, "sampling_top_p": 1.0, "num_samples": 1}  # flags and defaults
CLASSES = 5  # that --return_beams prints at least
SWITCH = "problem="  # begins a typed line that chooses another problem
NAME_ONE = 'Name one with --problem, or in the line: {"problem": "...", "inputs": "..."}.'


def parser() -> Parser:
    """Return the parser of t2t-mm-decoder."""
    parser = Parser(
        PROGRAM,
        "Decode each line of a file, or lines that you type, with a trained model.",
        "t2t-mm-decoder --output_dir=RUN --problem=parsing_wsj --decode_from_file=in.txt --decode_to_file=out.txt",
    )
    add = parser.group("what to decode")
    add_path(add, "--output_dir", "directory of the training run, which holds all that is needed; required")
    named = "problem of the lines that name none; default: the only problem of the run that reads such a line"
    add("--problem", "--problems", dest="problem", metavar="NAME", help=named)
    lines = (
        "file to decode, one input a line: a text, the path of an image or audio file, or JSON such as "
        '{"problem": ..., "inputs": ...}; -: standard input'
    )
    add_path(add, "--decode_from_file", lines)
    written = "file to write, one line for each input line; a stopped command resumes it; default: standard output"
    add_path(add, "--decode_to_file", written)
    formats = "text, or jsonl: one JSON object a line; default: jsonl if --decode_to_file ends in .jsonl, else text"
    add("--decode_output_format", choices=("text", "jsonl"), help=formats)
    add_boolean(add, "--decode_interactive", help="decode each line as you type it; default false")
    add = parser.group("how to decode")
    add_decoding(add)
    beams = "print all hypotheses of an input with their scores, best first; default false: the best one"
    add_boolean(add, "--return_beams", "--decode_return_beams", help=beams)
    add_path(add, "--checkpoint_path", "checkpoint to decode with; default: the newest one of the run")
    add = parser.group("sampling, instead of beam search")
    method = "random: draw outputs from the model's distribution; argmax: search for the likeliest; default argmax"
    add("--sampling_method", choices=("argmax", "random"), default="argmax", help=method)
    temperature = "temperature of the softmax; below 1, likely tokens are drawn more often; default 1"
    add("--sampling_temp", metavar="X", type=float, help=temperature)
    top_k = "top-k sampling: draw among the N likeliest tokens; default 0: among all"
    add_number(add, "--sampling_top_k", None, top_k, "--sampling_keep_top_k")
    top_p = "nucleus sampling: draw among the fewest tokens that have this probability together; default 1: all"
    add("--sampling_top_p", metavar="X", type=float, help=top_p)
    add_number(add, "--num_samples", None, "outputs to draw for each input; default 1", "--num_decodes", least=1)
    add_number(add, "--random_seed", 0, "random seed of sampling; equal seeds give equal outputs")
    add = parser.group("several workers for one file")
    shards = "workers that share the file; each writes FILE-0000i-of-0000N, to be concatenated in this order"
    add_number(add, "--decode_shards", 1, shards, least=1)
    add_number(add, "--shard_id", 0, "number of this worker, counted from 0")
    return finish(parser)


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options, with the plugins of the run in `output_dir` loaded; `problem` is None if none is named.

    `decode_output_format` and the flags of sampling are set.
    """
    options = parse(parser(), argv, lambda options: options.output_dir)
    if options.output_dir is None:
        raise missing_run()
    if options.decode_from_file is None and not options.decode_interactive:
        raise UserError("There is nothing to decode: give --decode_from_file=<file> or --decode_interactive.")
    _check_files(options)
    for name, default in SAMPLING.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
        elif options.sampling_method != "random":
            raise UserError(f"--{name} is for sampling: add --sampling_method=random.")
    if options.decode_output_format is None:
        is_jsonl = options.decode_to_file is not None and options.decode_to_file.suffix == ".jsonl"
        options.decode_output_format = "jsonl" if is_jsonl else "text"
    return options


def _check_files(options: argparse.Namespace) -> None:
    """Raise UserError if the flags of where lines come from and where answers go do not fit together."""
    shards, shard = options.decode_shards, options.shard_id
    if options.decode_interactive and options.decode_from_file is not None:
        raise UserError("Give --decode_from_file or --decode_interactive, not both.")
    if options.decode_interactive and (options.decode_to_file is not None or shards > 1):
        raise UserError("--decode_interactive prints its answers; --decode_to_file and --decode_shards are for files.")
    if shard >= shards:
        raise UserError(
            f"--shard_id={shard}: the workers of --decode_shards={shards} are counted from 0 to {shards - 1}."
        )
    if shards > 1 and not options.decode_interactive and options.decode_from_file == STDIN:
        raise UserError("--decode_shards divides a file among workers; give a file, since standard input is read once.")


@run_command(PROGRAM)
def main(argv: Sequence[str]) -> None:
    """Decode a file, or what is typed."""
    options = parse_options(argv)
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
    """Decode every line of a file, or this worker's share of them. Raises UserError at the end if any line failed."""
    source, shards, shard = options.decode_from_file, options.decode_shards, options.shard_id
    target = options.decode_to_file and shard_path(options.decode_to_file, shards, shard)
    how = _decode_options(options)
    writer, size = _writer(options, how), window_lines(how.batch_size)
    own_windows = WindowRange() if shards == 1 else shard_range(_count_windows(source, size), shards, shard)
    done = failed = 0
    with _lines(source) as lines, _sink(target, source) as sink:
        run = _open(options)
        reader = RequestReader(run.decoder, problem, Path() if source == STDIN else source.parent, NAME_ONE)
        made_from = _made_from(run, f"{how} {writer}") if target else {}
        for index, window in own_windows.of(windows_of(lines, size)):
            numbered = enumerate(window, start=index * size + 1)
            requests = [reader.read(number, line) for number, line in numbered]
            write = partial(writer.write, run.decoder, requests, how)
            answered = sink.take(index, made_from | {"input": fingerprint(requests)}, write)
            for sentence in answered.errors:
                _say(sentence)
            done, failed = done + len(window), failed + len(answered.errors)
            if target:
                _say(f"{done:,} lines done")
        sink.finish()
    if failed:
        instead = "are empty lines" if writer.format == "text" else "say why"
        raise UserError(f"{failed:,} of {done:,} lines could not be decoded; their answers {instead}.")


def converse(options: argparse.Namespace, problem: str | None, problems: Sequence[str]) -> None:
    """Decode line by line until the input ends; a line that cannot be decoded does not end it."""
    how = _decode_options(options)
    writer = _writer(options, how)
    decoder = _open(options).decoder
    reader = RequestReader(decoder, problem, Path(), f"Choose a problem first: {SWITCH}NAME.")
    _say(f"problems of the run: {', '.join(problems)}. Type {SWITCH}NAME to choose one, Ctrl-D to end.")
    with suppress(ImportError):
        import readline  # noqa: F401  lets the user edit lines and recall earlier ones
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


def _decode_options(options: argparse.Namespace) -> DecodeOptions:
    how = decode_options(options)
    if options.sampling_method == "random":
        sampling = Sampling(
            temperature=options.sampling_temp,
            top_k=options.sampling_top_k,
            top_p=options.sampling_top_p,
            seed=options.random_seed,
        )
        return replace(how, n_best=options.num_samples, sampling=sampling)
    return replace(how, n_best=options.beam_size if options.return_beams else 1)


def _writer(options: argparse.Namespace, how: DecodeOptions) -> AnswerWriter:
    several = options.return_beams or options.num_samples > 1
    return AnswerWriter(options.decode_output_format, max(CLASSES, how.n_best) if several else None)


def _made_from(run: "TrainedRun", options: str) -> dict[str, str]:
    """Return what answers depend on beside the lines: a resumed command keeps only answers for which it is equal."""
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
    """Open a file, or standard input, and yield its lines without their ends."""
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


def _count_windows(path: Path, size: int) -> int:
    with _lines(path) as lines:
        return -(-sum(1 for _ in lines) // size)


@contextmanager
def _sink(target: Path | None, source: Path) -> Iterator[Sink]:
    """Yield what takes the answers: standard output, or a file that appears under its name once it is complete."""
    if target is None:
        yield PrintedAnswers()
        return
    if target.is_dir():
        raise UserError(f"--decode_to_file={target} is a folder; name a file.")
    if source != STDIN and target.exists() and target.samefile(source):
        raise UserError(f"--decode_to_file={target} is the file to decode; choose another.")
    with resumable_file(target, _say) as file:
        yield file


def _say(line: str) -> None:
    print(f"{PROGRAM}: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
