"""Which files to push, and what they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from packages.common.content_types import FILE_SUFFIXES
from packages.common.keys import METADATA_SUFFIX

ENCODINGS = {".gz": "gzip", ".zst": "zstd"}


class UnknownTypeError(ValueError):
    """A file's name tells no type that the ingress takes."""


class PushFile(NamedTuple):
    """One file to push; `encoding` is None unless it is compressed."""

    path: Path
    content_type: str
    encoding: str | None


def find_files(paths: Iterable[Path]) -> list[PushFile]:
    """Files as given, folders walked in name order without hidden files and files of unknown type.

    Raises:
        UnknownTypeError: a file given by itself has an unknown type.
    """
    return [found for path in paths for found in (_in_folder(path) if path.is_dir() else [_given(path)])]


def _in_folder(folder: Path) -> Iterator[PushFile]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and not path.name.endswith(METADATA_SUFFIX):
            found = _described(path)
            if found is not None:
                yield found


def _given(path: Path) -> PushFile:
    found = _described(path)
    if found is None:
        known = ", ".join(sorted(FILE_SUFFIXES))
        raise UnknownTypeError(
            f"{path}: the type is unknown; known endings are {known}, each also .gz or .zst"
        )
    return found


def _described(path: Path) -> PushFile | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    encoding = ENCODINGS.get(suffixes[-1]) if suffixes else None
    plain = suffixes[:-1] if encoding else suffixes
    content_type = FILE_SUFFIXES.get(plain[-1]) if plain else None
    return PushFile(path, content_type, encoding) if content_type else None
