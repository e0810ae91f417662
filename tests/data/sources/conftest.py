"""Builders that download, handed archives made on the spot."""

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

ArchiveOf = Callable[[str], bytes]


@pytest.fixture
def hand_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[ArchiveOf], list[str]]:
    """TFDS's own download manager is handed `archive_of(url)` for what it would fetch, and unpacks it itself.

    The URLs that it asks for are listed in what this gives back.
    """

    def hand(archive_of: ArchiveOf) -> list[str]:
        import promise
        import tensorflow_datasets as tfds

        requested: list[str] = []

        def get(self: Any, resource: Any) -> Any:
            url = resource if isinstance(resource, str) else resource.url
            if url not in requested:
                requested.append(url)
            path = tmp_path / "archives" / url.rsplit("/", 1)[-1]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(archive_of(url))
            return promise.Promise.resolve(path)

        monkeypatch.setattr(tfds.download.DownloadManager, "_download_or_get_cache", get)
        return requested

    return hand


@pytest.fixture(scope="session")
def bytes_of() -> Callable[[list[str]], int]:
    """Return a function for the size of the files that TFDS would download from URLs, by its own table of checksums."""

    def total(urls: list[str]) -> int:
        from tensorflow_datasets.core.download import checksums

        table = checksums.get_all_url_infos()
        return sum(table[url].size for url in urls)

    return total


@pytest.fixture(scope="session")
def tarred() -> Callable[..., bytes]:
    """A tar archive of files by name, gzipped unless asked otherwise."""

    def pack(files: Mapping[str, bytes], mode: Literal["w", "w:gz"] = "w:gz") -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(None, mode, buffer) as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()

    return pack
