"""SPHERE files, plain and compressed by shorten."""

import io
import shutil
import stat
import sys

import numpy as np
import pytest
import soundfile

from t2t_mm.data.features import sphere
from t2t_mm.data.features.audio_file import decode_audio
from t2t_mm.errors import UserError

SAMPLES = np.array([0, 5, 1000, -1000, 32767, -32768, 3, 3], np.int16)


def sphere_file(samples, coding="pcm", order="01", body=None):
    """As the discs of WSJ have them: a head of 1,024 bytes, then the samples."""
    fields = [
        "database_id -s4 wsj1",
        "utterance_id -s8 46gc0301",
        "channel_count -i 1",
        f"sample_count -i {len(samples)}",
        "sample_rate -i 16000",
        "sample_n_bytes -i 2",
        f"sample_byte_format -s2 {order}",
        "sample_sig_bits -i 16",
        f"sample_coding -s{len(coding)} {coding}",
        "end_head",
    ]
    text = "\n".join(["NIST_1A", "   1024", *fields, ""])
    samples = np.asarray(samples).astype("<i2" if order == "01" else ">i2")
    return text.encode().ljust(1024) + (samples.tobytes() if body is None else body)


def shorten(samples):
    """The bit stream of shorten 2 (Robinson 1994) in its plainest form: one block of samples as they are (DIFF0)."""
    bits = []

    def unary(value, low):
        bits.append("0" * (value >> low) + "1" + (f"{value & (2**low - 1):0{low}b}" if low else ""))

    def number(value):
        low = max(1, value.bit_length())
        unary(low, 2)
        unary(value, low)

    for value in (5, 1, len(samples), 0, 0, 0):  # 16 bits low byte first, a channel, the block, no predictor, no means
        number(value)
    unary(0, 2)  # a block without prediction
    unary(15, 3)  # whose residuals have 15 bits below the unary part
    for sample in samples.tolist():
        unary(2 * sample if sample >= 0 else -2 * sample - 1, 15 + 1)
    unary(4, 2)  # the end
    complete = "".join(bits)
    complete += "0" * (-len(complete) % 32)
    return b"ajkg\x02" + bytes(int(complete[place : place + 8], 2) for place in range(0, len(complete), 8))


def shortened_file(samples=SAMPLES, version="2.00"):
    return sphere_file(samples, f"pcm,embedded-shorten-v{version}", body=shorten(np.asarray(samples)))


@pytest.mark.parametrize("order", ["01", "10"])
def test_plain_samples_are_read_in_either_byte_order(order):
    complete = sphere_file(SAMPLES, order=order)
    assert not sphere.is_shorten_compressed(complete)
    np.testing.assert_array_equal(decode_audio(complete), SAMPLES)


@pytest.mark.parametrize(("bytes_left", "samples"), [(14, 7), (15, 7), (2, 1)])
def test_plain_samples_that_are_cut_off_are_refused(bytes_left, samples):
    with pytest.raises(
        UserError, match=f"cut off: {samples} samples were read, but the header of the SPHERE file counts 8"
    ):
        decode_audio(sphere_file(SAMPLES)[: 1024 + bytes_left])


def test_where_the_head_counts_no_samples_all_that_follow_it_are_read():
    field = b"sample_count -i 8\n"
    uncounted = sphere_file(SAMPLES)[:1024].replace(field, b"").ljust(1024) + SAMPLES.astype("<i2").tobytes()
    np.testing.assert_array_equal(decode_audio(uncounted), SAMPLES)


def test_a_head_is_read_with_its_types():
    fields = sphere.read_header(shortened_file())
    assert fields["sample_rate"] == 16000 and fields["utterance_id"] == "46gc0301" and fields["sample_count"] == 8
    with pytest.raises(UserError, match="not a complete SPHERE file: 500 bytes"):
        sphere.read_header(shortened_file()[:500])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (b"sample_count -i 8", b"sample_count -i x", "a field that is not a number"),
        (b"sample_count -i 8", b"sample_count -s1 8", "has no sample count or no sample rate"),
        (b"sample_count -i 8", b"sample_count -i 9999999", "longer than 120 seconds"),
        (
            b"sample_rate -i 16000",
            b"sample_rate -i 0",
            "header of the SPHERE file gives a rate of 0 samples a second",
        ),
        (b"sample_rate -i 16000", b"sampling -i 16000", "has no sample count or no sample rate"),
    ],
)
def test_a_head_that_cannot_be_is_refused_before_any_program_is_asked(field, value, message, monkeypatch):
    monkeypatch.setattr(sphere.subprocess, "run", None)
    complete = shortened_file()
    with pytest.raises(UserError, match=message):
        decode_audio(complete[:1024].replace(field, value).ljust(1024)[:1024] + complete[1024:])


def test_without_a_program_a_shortened_file_is_refused_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as refusal:
        decode_audio(shortened_file())
    for part in ("sph2pipe (www.openslr.org/3)", "ffmpeg", "No real file compressed by shorten was at hand"):
        assert part in str(refusal.value)


def program(tmp_path, monkeypatch, lines):
    """A program named sph2pipe, alone on the PATH."""
    path = tmp_path / "bin" / "sph2pipe"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nimport sys\n{lines}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(path.parent))


def test_sph2pipe_is_asked_for_a_wav_file_of_plain_samples(tmp_path, monkeypatch):
    wav = io.BytesIO()
    soundfile.write(wav, SAMPLES, 16000, format="WAV", subtype="PCM_16")
    program(
        tmp_path,
        monkeypatch,
        f"assert sys.argv[1:4] == ['-p', '-f', 'wav'] and open(sys.argv[4], 'rb').read(7) == b'NIST_1A'\n"
        f"sys.stdout.buffer.write({wav.getvalue()!r})",
    )
    np.testing.assert_array_equal(decode_audio(shortened_file()), SAMPLES)


def test_a_program_that_gives_too_little_is_an_error(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "print('bad magic', file=sys.stderr)")
    with pytest.raises(UserError, match=r"sph2pipe could not unpack the audio.*: 0 of 8 samples \(bad magic\)"):
        decode_audio(shortened_file())


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg here")
def test_ffmpeg_unpacks_what_shorten_has_compressed(monkeypatch):
    monkeypatch.setattr(sphere, "PROGRAMS", ("ffmpeg",))
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 3000, 200).astype(np.int16)
    np.testing.assert_array_equal(decode_audio(shortened_file(samples)), samples)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg here")
def test_what_ffmpeg_refuses_is_an_error(monkeypatch):
    monkeypatch.setattr(sphere, "PROGRAMS", ("ffmpeg",))
    with pytest.raises(UserError, match="could not unpack the audio"):
        decode_audio(sphere_file(SAMPLES, "pcm,embedded-shorten-v2.00", body=b"ajkg\x02nonsense"))
