"""What damaged archives raise, said in a sentence."""

import gzip
import zipfile
import zlib
from pathlib import Path

import pytest

from t2t_mm.data.sources.archives import readable
from t2t_mm.errors import UserError


@pytest.mark.parametrize(
    ("name", "member", "error", "said"),
    [
        ("a.gz", "", EOFError("it ends early"), "a.gz is no whole gzip file (it ends early); fetch it again."),
        ("a.GZ", "", gzip.BadGzipFile("no magic"), "a.GZ is no whole gzip file (no magic); fetch it again."),
        ("a.zip", "", zipfile.BadZipFile("no end"), "a.zip is no whole zip file (no end); fetch it again."),
        ("a.npz", "", zlib.error("bad block"), "a.npz is no whole archive (bad block); fetch it again."),
        ("a.zip", "b.jpg", zlib.error("bad"), "a.zip: b.jpg cannot be read (bad); fetch the archive again."),
        (
            "a.zip",
            "b.jpg",
            NotImplementedError("That method is unknown."),
            "a.zip: b.jpg cannot be read (That method is unknown); unpack it and zip it anew, by deflate, without a "
            "password.",
        ),
    ],
)
def test_what_is_wrong_with_an_archive_is_one_sentence(name, member, error, said):
    with pytest.raises(UserError) as refusal, readable(Path(name), member):
        raise error
    assert str(refusal.value) == said


def test_other_errors_pass():
    with pytest.raises(ValueError, match="of another kind"), readable(Path("a.gz")):
        raise ValueError("of another kind")
