"""Where the files lie that a configuration names."""

from __future__ import annotations

from pathlib import Path


def beside(folder: Path, text: str) -> Path:
    """The file meant by a path in the configuration, which lies in `folder`.

    Earlier products read such paths from the folder above: `inputs/frames/x.csv` in the configuration of the
    folder `inputs` is `frames/x.csv`, unless `inputs` holds a folder `inputs` of its own.
    """
    path = folder / text
    first, _, rest = text.partition("/")
    if not path.exists() and rest and first == folder.absolute().name:
        return folder / rest
    return path
