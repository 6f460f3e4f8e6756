"""Whether there is no object, or only nobody behind the address who knows."""

from __future__ import annotations


def is_missing(error: FileNotFoundError) -> bool:
    """Whether the storage itself says that there is no object.

    A gateway whose S3 is away for a moment answers 404 as well; taken for an absent chunk, that would blank
    what the chunk holds. Every S3 says `NoSuchKey`.
    """
    text = str(error)
    return "status code" not in text or "NoSuchKey" in text
