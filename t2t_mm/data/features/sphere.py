"""NIST SPHERE files, the LDC's format for speech: detect those that soundfile cannot read, and unpack them.

libsndfile reads files of plain samples (PCM, u-law, A-law). Files that are compressed by shorten, as WSJ0 and WSJ1 are
on their discs (`sample_coding -s26 pcm,embedded-shorten-v1.1`), are unpacked by a program that the user has installed.
"""

import io
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from t2t_mm.errors import UserError

MAGIC = b"NIST_1A\n"
PROGRAMS = ("sph2pipe", "ffmpeg")  # the first one on the PATH is used
SECONDS = 60  # time limit of the program for one file


def is_shorten_compressed(value: bytes) -> bool:
    """Return True if the bytes are a SPHERE file whose samples are compressed by shorten."""
    return value.startswith(MAGIC) and "shorten" in str(read_header(value).get("sample_coding", ""))


def read_header(value: bytes) -> dict[str, int | float | str]:
    """Return the fields of a SPHERE file's header. Raises UserError if it is cut off or has an invalid number."""
    size = value[len(MAGIC) :].partition(b"\n")[0].strip()
    if not size.isdigit() or len(value) < int(size):
        raise UserError(f"This is not a complete SPHERE file: {len(value):,} bytes that begin with {value[:16]!r}.")
    kinds = {"i": int, "r": float, "s": str}
    lines = value[: int(size)].decode("ascii", errors="replace").partition("end_head")[0].splitlines()[2:]
    fields = (re.fullmatch(r"(\S+) -([irs])\d* (.*)", line.strip()) for line in lines)
    try:
        return {match[1]: kinds[match[2]](match[3]) for match in fields if match}
    except ValueError as error:
        raise UserError(
            f"The header of the SPHERE file has a field that is not a number ({error}). Download it again."
        ) from None


def check_complete(value: bytes, samples: int) -> None:
    """Raise UserError if the header of a SPHERE file counts more than the `samples` a channel that were read."""
    expected = read_header(value).get("sample_count")
    if isinstance(expected, int) and samples < expected:
        raise UserError(
            f"The audio is cut off: {samples:,} samples were read, but the header of the SPHERE file counts "
            f"{expected:,}. Download it again."
        )


def unpack_shorten(value: bytes, most_seconds: float) -> bytes:
    """Return the audio of a SPHERE file that is compressed by shorten as the bytes of a WAV file.

    Raises UserError if no program for it is installed, if the program fails or gives another number of samples than the
    header, or if the audio is longer than `most_seconds`.
    """
    fields = read_header(value)
    expected, rate = fields.get("sample_count"), fields.get("sample_rate")
    if not isinstance(expected, int) or not isinstance(rate, int):
        raise UserError("The header of the SPHERE file has no sample count or no sample rate. Download it again.")
    if rate < 1:
        raise UserError(f"The header of the SPHERE file gives a rate of {rate} samples a second. Download it again.")
    if expected > most_seconds * rate:
        raise UserError(f"The audio is longer than {most_seconds:g} seconds. Cut it into pieces.")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise UserError(
            "The audio is compressed by shorten, which soundfile does not read. Put sph2pipe (www.openslr.org/3) or "
            "ffmpeg on the PATH, or convert the files by `sph2pipe -p -f sph` beforehand. No real file compressed by "
            "shorten was at hand when this was written: listen to what comes out."
        )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audio.sph"
        path.write_bytes(value)
        if Path(program).stem == "sph2pipe":
            command = [program, "-p", "-f", "wav", str(path)]
        else:
            command = [program, "-nostdin", "-v", "error", "-f", "nistsphere", "-i", str(path)]
            command += ["-t", f"{most_seconds + 1}", "-f", "wav", "-"]  # whatever length the stream claims
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"{program} could not unpack the audio, which is compressed by shorten: {error}.") from None
    samples = _count_samples(done.stdout)
    if done.returncode or samples != expected:
        message = " ".join(done.stderr.decode("utf-8", errors="replace").split())
        raise UserError(
            f"{program} could not unpack the audio, which is compressed by shorten: {samples:,} of {expected:,} samples"
            f"{f' ({message:.200})' if message else ''}."
        )
    return done.stdout


def _count_samples(wav: bytes) -> int:
    """Return the number of samples a channel.

    They are counted: a WAV header that was written to a pipe is unreliable.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(wav)) as file:
            return sum(len(block) for block in file.blocks(2**16, dtype="int16"))
    except soundfile.SoundFileError:
        return 0
