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
        return answer.partition("\n")[0]
    return SENTENCES.get(code[1], f"the storage answered {code[1]}")


def _answer(error: BaseException) -> str:
    return str(error).partition("\n\nDebug source")[0]
