"""Fingerprints of files."""

from t2t_mm.fingerprint import fingerprint


def test_a_fingerprint_is_the_sha256_of_the_content(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert fingerprint(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
