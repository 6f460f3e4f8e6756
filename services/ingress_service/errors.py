"""What the HTTP service refuses, grouped by what the client can do about it.

IngressError (packages.common.errors)
└── RequestRefusedError
    ├── NotAuthenticatedError        send credentials, or the right ones
    ├── ForbiddenError               ask for the right
    ├── UnknownTargetError           correct the address
    │   ├── NodeUnknownError
    │   └── ScraperUnknownError
    ├── MalformedRequestError        correct the request
    │   ├── ContentTypeMissingError
    │   ├── HeaderMalformedError
    │   ├── MultipartMalformedError
    │   └── DigestMismatchError
    ├── SchemaMismatchError          correct the data
    │   └── ColumnsMissingError
    ├── ExtractionFailedError        correct the data, or the extractor
    ├── BodyTooLargeError            send less
    ├── BodyTimeoutError             send faster
    ├── EncodingUnsupportedError     send another encoding
    ├── ItemStateError               look at the item again
    ├── KeyReusedError               send another Idempotency-Key
    ├── KeyBusyError                 wait for the request with the same Idempotency-Key
    ├── TooManyUploadsError          send fewer at once
    └── OverloadedError              wait and repeat
        └── QueueFullError

The statuses that go with them stand in `web.problems.ANSWERS`, together with those of the errors of
`packages.common`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from packages.common.errors import IngressError


class RequestRefusedError(IngressError):
    """A request that is answered with a refusal; `errors` names the rows at fault."""

    kind: ClassVar[str] = "request_refused"

    def __init__(self, message: str, *, errors: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.errors = list(errors)


class NotAuthenticatedError(RequestRefusedError):
    """No credentials, or wrong ones."""

    kind = "not_authenticated"


class ForbiddenError(RequestRefusedError):
    """The user is known but may not do this."""

    kind = "forbidden"


class UnknownTargetError(RequestRefusedError):
    """The address names something that does not exist."""

    kind = "unknown_target"


class NodeUnknownError(UnknownTargetError):
    """The node is not in the schema of the endpoint."""

    kind = "node_unknown"


class ScraperUnknownError(UnknownTargetError):
    """No active scraper has this name."""

    kind = "scraper_unknown"


class MalformedRequestError(RequestRefusedError):
    """The request contradicts its own headers or form."""

    kind = "request_malformed"


class ContentTypeMissingError(MalformedRequestError):
    """The body has no declared type."""

    kind = "content_type_missing"


class HeaderMalformedError(MalformedRequestError):
    """A header of the request cannot be read."""

    kind = "header_malformed"


class MultipartMalformedError(MalformedRequestError):
    """The multipart body does not hold exactly one part named `file`."""

    kind = "multipart_malformed"


class DigestMismatchError(MalformedRequestError):
    """The body received is not the one whose digest was sent."""

    kind = "digest_mismatch"


class SchemaMismatchError(RequestRefusedError):
    """The table cannot be merged under the schema of its node."""

    kind = "schema_mismatch"


class ColumnsMissingError(SchemaMismatchError):
    """Columns that the schema requires are missing."""

    kind = "columns_missing"


class ExtractionFailedError(RequestRefusedError):
    """The extractor of the endpoint makes no table of the payload that the merge would take."""

    kind = "extraction_failed"


class BodyTooLargeError(RequestRefusedError):
    """More bytes than the configured limits, as received or after decoding."""

    kind = "body_too_large"


class BodyTimeoutError(RequestRefusedError):
    """The client stopped sending in the middle of the body."""

    kind = "body_timeout"


class EncodingUnsupportedError(RequestRefusedError):
    """The Content-Encoding or charset is not supported."""

    kind = "encoding_unsupported"


class ItemStateError(RequestRefusedError):
    """The item is not in a state that allows the action."""

    kind = "item_state"


class KeyReusedError(RequestRefusedError):
    """The Idempotency-Key has been used for another payload."""

    kind = "idempotency_key_reused"


class KeyBusyError(RequestRefusedError):
    """A request with the same Idempotency-Key is being handled right now."""

    kind = "idempotency_key_busy"
    retryable = True


class TooManyUploadsError(RequestRefusedError):
    """One user has too many uploads in flight; the same request may succeed later."""

    kind = "too_many_uploads"
    retryable = True


class OverloadedError(RequestRefusedError):
    """Too much is in flight; the same request may succeed later."""

    kind = "overloaded"
    retryable = True


class QueueFullError(OverloadedError):
    """As many items wait to be merged as the queue may hold."""

    kind = "queue_full"
