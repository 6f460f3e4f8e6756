"""What the queue holds, counted by endpoint and state without listing all of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from packages.common.keys import ItemState
from packages.common.queue import Queue

COUNTED = 1000
"""Above this an endpoint's items are not counted further: two requests for each endpoint and state."""
ENDPOINTS = 200


@dataclass
class EndpointCounts:
    """The items of one endpoint by state, each count exact below `COUNTED`."""

    name: str
    counts: dict[ItemState, int] = field(default_factory=dict)

    def shown(self, state: ItemState) -> str:
        """A count as it is shown."""
        count = self.counts.get(state, 0)
        return f"{COUNTED:,}+" if count > COUNTED else f"{count:,}"

    def has(self, state: ItemState) -> bool:
        """Whether there is any item in this state."""
        return self.counts.get(state, 0) > 0


def count_items(queue: Queue, configured: Iterable[str] = ()) -> list[EndpointCounts]:
    """The counts of all endpoints that are configured or have items, by name."""
    found = {name: EndpointCounts(name) for name in configured}
    for state in ItemState:
        behind: str | None = None
        for _ in range(ENDPOINTS):
            first = next(queue.items(state, after=behind), None)
            if first is None:
                break
            name = first.item_id.partition("/")[0]
            count = sum(1 for _ in islice(queue.items(state, endpoint=name), COUNTED + 1))
            found.setdefault(name, EndpointCounts(name)).counts[state] = count
            behind = f"{name}0"  # the character behind the slash: whatever follows is of another endpoint
    return [found[name] for name in sorted(found)]


def totals(endpoints: Iterable[EndpointCounts]) -> EndpointCounts:
    """The sum over all endpoints."""
    everything = EndpointCounts("")
    for one in endpoints:
        for state, count in one.counts.items():
            everything.counts[state] = everything.counts.get(state, 0) + count
    return everything
