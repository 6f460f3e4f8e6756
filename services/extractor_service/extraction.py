"""Turns contents into rows in their order, small CSV payloads with one header many at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from packages.common.content_types import canonical_type, charset_of
from packages.common.payloads.csv_joined import JoinableCsv, joinable_csv, read_joined
from packages.common.quarantine import without_reasons
from packages.common.validation import UTF8
from services.extractor_service.extract import Means, extract_item, is_table
from services.extractor_service.items import Content, Extracted, Verdict

SMALL_BYTES = 2**16  # a larger text gains nothing
JOINED_BYTES = 2**20
JOINED_ITEMS = 256

Done = deque[Extracted | Verdict]


def extract(means: Means, contents: Iterable[Content | Verdict]) -> Iterator[Extracted | Verdict]:
    """Turn each content into rows; verdicts pass through, and an item that yields no rows gets its own."""
    extraction = Extraction(means)
    for done in map(extraction.take, contents):  # which keeps no payload
        yield from _emptied(done)
    yield from _emptied(extraction.rest())


class Extraction:
    """Contents that wait to be read together."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._waiting: list[tuple[Content, JoinableCsv]] = []
        self._bytes = 0

    def take(self, content: Content | Verdict) -> Done:
        """Take the next content; what is done by now, in order."""
        text = self._joinable(content) if isinstance(content, Content) else None
        if text is None or not isinstance(content, Content):
            return self.rest() + Done([extract_item(self._means, content)])
        done = Done() if self._takes(text) else self.rest()
        self._waiting.append((content, text))
        self._bytes += len(text.text)
        return done

    def rest(self) -> Done:
        """Read what waits."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        frames = read_joined([text for _, text in waiting]) if len(waiting) > 1 else None
        if frames is None:
            return Done(extract_item(self._means, content) for content, _ in waiting)
        pairs = zip(waiting, frames, strict=True)
        return Done(
            Extracted(content.item, content.metadata, without_reasons(frame)) for (content, _), frame in pairs
        )

    def _joinable(self, content: Content) -> JoinableCsv | None:
        kind = content.metadata.content_type
        is_small_csv = canonical_type(kind) == "text/csv" and len(content.payload) <= SMALL_BYTES
        if not is_small_csv or charset_of(kind) not in UTF8 or not is_table(self._means, content.metadata):
            return None
        return joinable_csv(content.payload)

    def _takes(self, text: JoinableCsv) -> bool:
        is_like = all(one.header == text.header for _, one in self._waiting[:1])
        fits = len(self._waiting) < JOINED_ITEMS and self._bytes + len(text.text) <= JOINED_BYTES
        return is_like and fits


def _emptied(done: Done) -> Iterator[Extracted | Verdict]:
    while done:
        yield done.popleft()
