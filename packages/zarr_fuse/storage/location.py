"""Where a store and its sidecar lie: neighbours in one folder, opened together so that copies stay inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from zarr_fuse.errors import UnsupportedUrlError
from zarr_fuse.options import Options
from zarr_fuse.storage.opening import open_object_store

ZIP = "zip://"


@dataclass(frozen=True)
class Location:
    """`folder` is an address of `open_object_store`, `name` the store's name inside it (empty in memory)."""

    folder: str
    name: str
    url: str

    @property
    def is_archive(self) -> bool:
        """Whether the store lies inside a zip archive."""
        return self.url.startswith(ZIP)

    @property
    def archive(self) -> Path:
        """The file of an archive."""
        return Path(self.folder) / self.name

    def open(self, options: Options, *, whole: bool) -> Any:  # noqa: ANN401 - obstore's union of stores
        """The folder's object storage, or with `whole=False` that of the dataset store alone."""
        return open_object_store(
            self.folder if whole else self.url,
            endpoint=options.endpoint,
            access_key=options.access_key,
            secret_key=options.secret_key,
            s3_options=options.s3_options,
            create=options.mode != "r",
        )


def locate(options: Options) -> Location:
    """Split the store's address.

    Raises:
        UnsupportedUrlError: an S3 address without a path inside the bucket, or a local one without a name.
    """
    url = options.url.rstrip("/")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme in {"file", "zip"}:
        path = Path(unquote(rest) if separator else url)
        path = path if path.is_absolute() else options.workdir.absolute() / path
        return Location(
            str(path.parent), _named(path.name, url), f"{ZIP}{path}" if url.startswith(ZIP) else str(path)
        )
    if scheme == "memory":
        return Location(url, "", url)
    folder, _, name = url.rpartition("/")
    if scheme == "s3" and "/" not in rest:
        raise UnsupportedUrlError(
            f"{url!r} names a whole bucket: give a path inside it, such as {url}/data.zarr"
        )
    return Location(folder, name, url)


def _named(name: str, url: str) -> str:
    if not name:
        raise UnsupportedUrlError(f"{url!r} names no store")
    return name
