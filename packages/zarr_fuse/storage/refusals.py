"""What a storage says when it refuses, in a sentence for the one who has to mend it."""

from __future__ import annotations

import re

from obstore import exceptions as ob

DENIED = (ob.PermissionDeniedError, ob.UnauthenticatedError, PermissionError)
SENTENCES = {
    "AccessDenied": "the access key may not do that",
    "InvalidAccessKeyId": "the storage does not know the access key",
    "NoSuchBucket": "the bucket does not exist",
    "QuotaExceeded": "a quota of the storage is used up",
    "RequestTimeTooSkewed": "the clocks of this machine and of the storage differ too much",
    "SignatureDoesNotMatch": "the secret key is not that of the access key",
    "UserSuspended": "the user of the access key is suspended",
}
CAUSES = {
    "InvalidCertificate": "its certificate is not trusted",
    "ConnectionRefused": "nobody listens there",
    "dns error": "its name cannot be resolved",
    "kind: Timeout": "it did not answer in time",
    "Unreachable": "there is no way to it",
}
"""What the debug text holds, and the sentence above it keeps to itself."""
_SERVER = re.compile(r"https?://[^/\s]+")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_DENIED_STATUS = re.compile(r"status code: 40[13] ")


def is_denied(error: BaseException) -> bool:
    """Whether the keys are at fault; a listing says so in its text alone."""
    return isinstance(error, DENIED) or _DENIED_STATUS.search(_answer(error)) is not None


def refusal(error: BaseException) -> str:
    """The reason, without the debug text below an obstore error."""
    answer = _answer(error)
    code = _CODE.search(answer)
    if code is None:
        return _cause(answer, str(error)) or answer.partition("\n")[0]
    return SENTENCES.get(code[1], f"the storage answered {code[1]}")


def _cause(answer: str, text: str) -> str | None:
    """Why there was no answer at all, and from where."""
    server = _SERVER.search(answer)
    cause = next((sentence for mark, sentence in CAUSES.items() if mark in text), None)
    return f"{server[0]}: {cause}" if server and cause and "HTTP error" in answer else None


def _answer(error: BaseException) -> str:
    return str(error).partition("\n\nDebug source")[0]
