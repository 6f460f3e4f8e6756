"""The HTTP side of `ingress push`: one upload, its answer, and what becomes of the item."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_result, stop_after_attempt

from packages.cli.push_files import PushFile
from packages.common.wording import counted

ATTEMPTS = 5
LONGEST_PAUSE_S = 30.0
POLL_S = 0.5
ROWS_SHOWN = 10
READ_BYTES = 2**20
OVERLOADED = {429, 502, 503, 504}
REFUSING = {401, 403}


class Verdict(StrEnum):
    """The first word of each line."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    PROCESSED = "processed"
    VALID = "valid"
    REFUSED = "refused"
    FAILED = "failed"
    UNFINISHED = "unfinished"


@dataclass(frozen=True)
class Answer:
    """What the ingress says about a file; `details` name rows."""

    verdict: Verdict
    text: str = ""
    item_id: str = ""
    state_url: str = ""
    details: list[str] = field(default_factory=list)


class PushClient:
    """Uploads to one endpoint and node.

    The same content pushed again is a duplicate, because it carries the same `Idempotency-Key`; so a push
    that was interrupted is simply repeated.
    """

    def __init__(
        self, http: httpx.Client, endpoint: str, node: str, *, check_only: bool = False, again: bool = False
    ) -> None:
        self._http = http
        base = endpoint if endpoint.startswith("/") else f"/api/v1/{endpoint}"
        self._path = "/".join(part for part in (base.rstrip("/"), node.strip("/")) if part)
        self._check_only = check_only
        self._again = again

    def push(self, file: PushFile) -> Answer:
        """Upload one file; trouble that may pass is waited for, a few times."""
        try:
            response = self._post_patiently(file)
            if response.is_success:
                return self._success(response)
        except httpx.HTTPError as error:
            return Answer(Verdict.REFUSED, f"no answer from the ingress: {_sentence(error)}")
        except OSError as error:
            return Answer(Verdict.REFUSED, f"the file cannot be read: {error.strerror}")
        except ValueError:
            return Answer(Verdict.REFUSED, "what answers there is no ingress")
        return Answer(Verdict.REFUSED, *_problem(response))

    def wait(self, answer: Answer, timeout_s: float) -> Answer:
        """Ask until the item is processed or failed."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            response = self._asked(answer.state_url)
            if response is not None and response.status_code in REFUSING:
                return Answer(Verdict.UNFINISHED, _problem(response)[0], answer.item_id)
            if response is not None and response.is_success:
                item = response.json()
                if item["state"] in {Verdict.PROCESSED, Verdict.FAILED}:
                    return _ended(answer, item)
            time.sleep(POLL_S)
        return Answer(Verdict.UNFINISHED, f"not merged after {timeout_s:g} s", answer.item_id)

    def _asked(self, state_url: str) -> httpx.Response | None:
        try:
            return self._http.get(state_url)
        except httpx.TransportError:
            return None

    def _post_patiently(self, file: PushFile) -> httpx.Response:
        patience = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_pause_s,
            retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(_is_overloaded),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        response: httpx.Response = patience(self._post, file)
        return response

    def _post(self, file: PushFile) -> httpx.Response:
        headers = {"Content-Type": file.content_type, "Content-Length": str(file.path.stat().st_size)}
        if file.encoding:
            headers["Content-Encoding"] = file.encoding
        if not self._again and not self._check_only:
            headers["Idempotency-Key"] = self._idempotency_key(file.path)
        query = {"validate": "only"} if self._check_only else {}
        return self._http.post(self._path, params=query, headers=headers, content=_pieces(file.path))

    def _idempotency_key(self, path: Path) -> str:
        digest = hashlib.sha256(f"{self._path}\n".encode())
        for piece in _pieces(path):
            digest.update(piece)
        return f"push-{digest.hexdigest()}"

    def _success(self, response: httpx.Response) -> Answer:
        document = response.json()
        if self._check_only:
            return _checked(document)
        replayed = response.headers.get("Idempotent-Replayed") == "true"
        return Answer(
            Verdict.DUPLICATE if replayed else Verdict.ACCEPTED,
            item_id=document.get("item_id", ""),
            state_url=document.get("state_url", ""),
        )


def _checked(report: dict[str, Any]) -> Answer:
    counts = report.get("finding_counts") or {}
    facts = [counted(report["rows"], "row")] if report.get("rows") is not None else []
    facts += [f"{count} {kind}" for kind, count in counts.items()]
    return Answer(Verdict.VALID, ", ".join(facts), details=_rows(report.get("findings")))


def _ended(answer: Answer, item: dict[str, Any]) -> Answer:
    outcome = item.get("outcome") or {}
    error = outcome.get("error") or {}
    rejected = outcome.get("rejected_counts") or {}
    facts = [f"{error.get('kind')}: {error.get('message')}"] if error else []
    facts += [counted(outcome["rows"], "row")] if outcome.get("rows") is not None else []
    facts += [f"{count} {kind}" for kind, count in rejected.items()]
    details = _rows(outcome.get("rejected_rows"))
    return Answer(Verdict(item["state"]), ", ".join(facts), answer.item_id, details=details)


def _problem(response: httpx.Response) -> tuple[str, str, str, list[str]]:
    """Text, no item, no address, and the rows at fault."""
    try:
        document = response.json()
    except ValueError:
        document = None
    problem = document if isinstance(document, dict) else {}
    detail = problem.get("detail") or problem.get("error") or response.reason_phrase
    return f"{response.status_code} {detail}", "", "", _rows(problem.get("errors"))


def _rows(findings: Any) -> list[str]:  # noqa: ANN401 - what another program answered
    """The first rows at fault; what names no place is in the sentence already."""
    places = [one for one in findings or () if one.get("row") is not None or one.get("column") is not None]
    return [_row(one) for one in places[:ROWS_SHOWN]]


def _row(finding: dict[str, Any]) -> str:
    names = [name for name in ("row", "column", "value") if finding.get(name) is not None]
    place = ", ".join(f"{name} {finding[name]!r}" for name in names)
    return f"{place}: {finding.get('message') or finding.get('kind') or ''}"


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while piece := source.read(READ_BYTES):
            yield piece


def _is_overloaded(response: httpx.Response) -> bool:
    return response.status_code in OVERLOADED


def _pause_s(state: RetryCallState) -> float:
    """What `Retry-After` asks for, else 1 s, 2 s, 4 s …; never more than half a minute."""
    outcome = state.outcome
    asked = None
    if outcome is not None and not outcome.failed:
        asked = outcome.result().headers.get("Retry-After")
    pause_s = float(asked) if asked and asked.isdigit() else 2.0 ** (state.attempt_number - 1)
    return min(pause_s, LONGEST_PAUSE_S)


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__
