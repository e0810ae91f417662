"""Error sentences for damaged archives."""

import gzip
import zipfile
import zlib
from pathlib import Path

import pytest

from t2t_mm.data.sources.archives import readable
from t2t_mm.errors import UserError


@pytest.mark.parametrize(
    ("name", "member", "error", "message"),
    [
        ("a.gz", "", EOFError("it ends early"), "a.gz is not a complete gzip file (it ends early); download it again."),
        ("a.GZ", "", gzip.BadGzipFile("no magic"), "a.GZ is not a complete gzip file (no magic); download it again."),
        ("a.zip", "", zipfile.BadZipFile("no end"), "a.zip is not a complete zip file (no end); download it again."),
        ("a.npz", "", zlib.error("bad block"), "a.npz is not a complete archive (bad block); download it again."),
        ("a.zip", "b.jpg", zlib.error("bad"), "a.zip: b.jpg cannot be read (bad); download the archive again."),
        (
            "a.zip",
            "b.jpg",
            NotImplementedError("That method is unknown."),
            "a.zip: b.jpg cannot be read (That method is unknown). Unpack it and zip it again with deflate and "
            "without a password.",
        ),
    ],
)
def test_what_is_wrong_with_an_archive_is_one_sentence(name, member, error, message):
    with pytest.raises(UserError) as refusal, readable(Path(name), member):
        raise error
    assert str(refusal.value) == message


def test_errors_of_no_archive_pass_through():
    with pytest.raises(ValueError, match="of another kind"), readable(Path("a.gz")):
        raise ValueError("of another kind")
