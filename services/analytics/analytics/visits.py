"""What of a customer's web facts and orders may teach: visits instead of views, no robots, nothing twice.

A visit is web facts with less than half an hour between them, as web analytics count sessions. What is sifted out
stays on the log and on the timeline; it teaches nothing. Pure: the same facts in the same order are sifted alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from struct import Struct
from typing import Any, Final
from zlib import crc32

import orjson
from crawleruseragents import is_crawler

from analytics.events import Event, What
from analytics.profile import Profile
from analytics.sections import Section, stored

PAUSE_SECONDS: Final = 1_800.0  # after which the next web fact opens a visit
TWICE_SECONDS: Final = 3.0  # within which the same web fact is one that was posted twice
ORDER_TWICE_SECONDS: Final = 60.0
VIEWS_PER_SECOND: Final = 1 / 3  # a pace that nobody keeps up reading
VIEWS_AT_ONCE: Final = 60.0  # beyond that pace: whoever opens many tabs stays far below
_ABOUT = frozenset({"identify", "group", "alias"})  # said about a customer, who need not be there
_VIEWS = frozenset({"page", "screen"})
_KNOWN_AGENTS: Final = 4_096
WEB_FACTS = frozenset({What.TOUCHPOINT, What.LEAD})


class Sifted(IntEnum):
    """What a fact is taken for. Up to `ABOUT` it teaches."""

    OPENS = 0  # the first web fact of a visit
    WITHIN = 1  # of the same visit
    ABOUT = 2  # no web fact
    ROBOT = 3  # by its user agent
    PACE = 4  # faster than people, for the rest of the visit
    TWICE = 5  # the same again within seconds, under another id
    ORDER_TWICE = 6  # the same basket again within a minute: money, but no second purchase

    @property
    def teaches(self) -> bool:
        return self <= Sifted.ABOUT


@dataclass(slots=True)
class Visits(Section):
    """A customer's present visit: when its last web fact was, and how far its page views are ahead of people's pace.

    The last two different web facts, as checksums with their moments: two trackers on a page interleave their posts.
    """

    last_at: float = 0.0
    ahead: float = 0.0  # page views beyond `VIEWS_PER_SECOND`, as of `last_at` (a leaky bucket)
    newest_at: float = 0.0
    older_at: float = 0.0
    newest: int = 0
    older: int = 0
    count: int = 0  # of visits
    too_fast: int = 0

    def take(self, event: Event) -> Sifted:
        """One web fact. What comes late belongs to a visit that is known, or is too old to tell."""
        data, at = event.data, event.time
        kind = data.get("kind")
        if kind in _ABOUT:
            return Sifted.ABOUT
        if self._known(_checksum(event.what, data), at):
            return Sifted.TWICE
        opens = not self.count or at >= self.last_at + PAUSE_SECONDS
        if opens:
            self.count += 1
            self.ahead, self.too_fast = 0.0, 0
        leaked = max(0.0, at - self.last_at) * VIEWS_PER_SECOND
        self.ahead = max(0.0, self.ahead - leaked) + (kind in _VIEWS)
        self.last_at = max(self.last_at, at)
        if self.ahead > VIEWS_AT_ONCE:
            self.too_fast = 1
        if self.too_fast and event.what is What.TOUCHPOINT:
            return Sifted.PACE
        return Sifted.OPENS if opens else Sifted.WITHIN

    def _known(self, checksum: int, at: float) -> bool:
        """Whether the same came within the last seconds; remembers it if not."""
        if checksum == self.newest and abs(at - self.newest_at) <= TWICE_SECONDS:
            return True
        if checksum == self.older and abs(at - self.older_at) <= TWICE_SECONDS:
            return True
        self.older, self.older_at = self.newest, self.newest_at
        self.newest, self.newest_at = checksum, at
        return False

    def merge(self, other: "Visits") -> None:
        """Both were one person: the later visit is the present one. Visits at the same time count twice."""
        self.count += other.count
        if other.last_at > self.last_at:
            for name in ("last_at", "ahead", "newest_at", "older_at", "newest", "older", "too_fast"):
                setattr(self, name, getattr(other, name))


stored(Visits, 80, Struct("<4d3IB"))


@dataclass(slots=True)
class LastBasket(Section):
    """The last order's content as a checksum: total, currency, lines, the first and the last of them."""

    at: float = 0.0
    content: int = 0

    def take(self, event: Event) -> Sifted:
        """One order. Without items there is no telling whether it is the same."""
        items = event.data.get("items")
        if not items or not isinstance(items, list):
            return Sifted.ABOUT
        content, before, at = _basket(event, items), self.content, self.at
        self.at, self.content = event.time, content
        return Sifted.ORDER_TWICE if content == before and abs(event.time - at) <= ORDER_TWICE_SECONDS else Sifted.ABOUT

    def merge(self, other: "LastBasket") -> None:
        if other.at > self.at:
            self.at, self.content = other.at, other.content


stored(LastBasket, 81, Struct("<dI"))


def sift(profile: Profile, event: Event) -> Sifted:
    """What a fact is to be taken for. Everything but web facts and orders passes."""
    if event.what is What.ORDER:
        return profile.of(LastBasket).take(event)
    if event.what not in WEB_FACTS:
        return Sifted.ABOUT
    if is_robot(event.data.get("user_agent")):
        return Sifted.ROBOT
    return profile.of(Visits).take(event)


def is_robot(user_agent: Any) -> bool:
    """Whether a user agent gives itself away, by the list of the package crawler-user-agents."""
    return isinstance(user_agent, str) and _named(user_agent)


@lru_cache(_KNOWN_AGENTS)
def _named(user_agent: str) -> bool:
    return bool(is_crawler(user_agent))


def _checksum(what: What, data: Mapping[str, Any]) -> int:
    """Of a web fact's content. The same page is the same whatever a tracker says of it; other facts are not."""
    kind = data.get("kind")
    more = None if kind in _VIEWS else data.get("properties")
    content = (what, kind, data.get("name"), data.get("page_url"), data.get("form"), more)
    try:
        return crc32(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
    except TypeError:
        return 0


def _basket(event: Event, items: Sequence[Any]) -> int:
    """Of an order's content. A basket of a thousand lines costs as little as one of two."""
    total, first, last = f"{event.amount} {event.currency} {len(items)}", items[0], items[-1]
    try:
        lines = f"{first.get('sku')} {first.get('quantity')} {last.get('sku')} {last.get('quantity')}"
    except AttributeError:
        lines = ""
    return crc32(f"{total} {lines}".encode(errors="replace"))
