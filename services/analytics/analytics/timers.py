"""The timers of a partition. The profiles hold the truth; this heap only knows whom to look at next."""

import heapq

from analytics.profile import NEVER


class Timers:
    """Customers by the moment their earliest timer rings. Entries may be stale: the caller checks the profile."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, due: float, customer: str) -> None:
        if due != NEVER:
            heapq.heappush(self._heap, (due, customer))

    def ringing(self, until: float) -> list[str]:
        """Takes out who may be due by `until`, each once, in an order that stale entries have a part in."""
        found: dict[str, None] = {}
        while self._heap and self._heap[0][0] <= until:
            found[heapq.heappop(self._heap)[1]] = None
        return list(found)

    def compact(self, live: dict[str, float]) -> None:
        """Drops stale entries: rebuilds the heap from the customers' true next moments."""
        self._heap = [(due, customer) for customer, due in live.items() if due != NEVER]
        heapq.heapify(self._heap)
