"""NIST SPHERE files, in which the LDC has its speech: which of them soundfile cannot read, and what to do then.

libsndfile reads those that hold plain samples (PCM, u-law, A-law). Those that are compressed by shorten, as WSJ0 and
WSJ1 are on their discs (`sample_coding -s26 pcm,embedded-shorten-v1.1`), are unpacked by a program that the user has.
"""

import io
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from t2t_mm.errors import UserError

MAGIC = b"NIST_1A\n"
PROGRAMS = ("sph2pipe", "ffmpeg")  # the first that is on the PATH is taken
SECONDS = 60  # that a program may take for a file


def shortened(value: bytes) -> bool:
    """Whether the bytes are those of a SPHERE file whose samples shorten has compressed."""
    return value.startswith(MAGIC) and "shorten" in str(head(value).get("sample_coding", ""))


def head(value: bytes) -> dict[str, int | float | str]:
    """The fields of a SPHERE file's head. Raises UserError for one that is cut off or holds a false number."""
    size = value[len(MAGIC) :].partition(b"\n")[0].strip()
    if not size.isdigit() or len(value) < int(size):
        raise UserError(f"This is no whole SPHERE file: {len(value):,} bytes that begin with {value[:16]!r}.")
    kinds = {"i": int, "r": float, "s": str}
    lines = value[: int(size)].decode("ascii", errors="replace").partition("end_head")[0].splitlines()[2:]
    fields = (re.fullmatch(r"(\S+) -([irs])\d* (.*)", line.strip()) for line in lines)
    try:
        return {match[1]: kinds[match[2]](match[3]) for match in fields if match}
    except ValueError as error:
        raise UserError(f"The head of the SPHERE file holds a field that is no number ({error}).") from None


def check_whole(value: bytes, samples: int) -> None:
    """Raise UserError if a SPHERE file, of which `samples` a channel can be read, has more of them by its head."""
    expected = head(value).get("sample_count")
    if isinstance(expected, int) and samples < expected:
        raise UserError(
            f"The sound is cut off: {samples:,} of the {expected:,} samples that the SPHERE file's head counts are "
            f"there. Fetch it again."
        )


def unshortened(value: bytes, most_seconds: float) -> bytes:
    """The bytes of a WAV file with what is in a SPHERE file that is `shortened`.

    Raises UserError when there is no program for it, when it fails, when it gives another number of samples than the
    head says, or when that is more than `most_seconds`.
    """
    fields = head(value)
    expected, rate = fields.get("sample_count"), fields.get("sample_rate")
    if not isinstance(expected, int) or not isinstance(rate, int):
        raise UserError("The head of the SPHERE file does not say how many samples there are, and how many a second.")
    if rate < 1:
        raise UserError(f"The head of the SPHERE file says that the sound has {rate} samples a second. Fetch it again.")
    if expected > most_seconds * rate:
        raise UserError(f"The sound is longer than {most_seconds:g} seconds. Cut it into pieces.")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise UserError(
            "The sound is compressed by shorten, which soundfile does not read. Put sph2pipe (www.openslr.org/3) or "
            "ffmpeg on the PATH, or convert the files by `sph2pipe -p -f sph` beforehand. No real file compressed by "
            "shorten was at hand when this was written: listen to what comes out."
        )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sound.sph"
        path.write_bytes(value)
        if Path(program).stem == "sph2pipe":
            command = [program, "-p", "-f", "wav", str(path)]
        else:
            command = [program, "-nostdin", "-v", "error", "-f", "nistsphere", "-i", str(path)]
            command += ["-t", f"{most_seconds + 1}", "-f", "wav", "-"]  # whatever the stream claims to hold
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"{program} could not unpack the sound, which shorten has compressed: {error}.") from None
    found = _samples(done.stdout)
    if done.returncode or found != expected:
        said = " ".join(done.stderr.decode("utf-8", errors="replace").split())
        raise UserError(
            f"{program} could not unpack the sound, which shorten has compressed: {found:,} of {expected:,} samples"
            f"{f' ({said:.200})' if said else ''}."
        )
    return done.stdout


def _samples(wav: bytes) -> int:
    """How many samples a channel there are, whatever the head claims: who writes to a pipe cannot know."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(wav)) as file:
            return sum(len(block) for block in file.blocks(2**16, dtype="int16"))
    except soundfile.SoundFileError:
        return 0
