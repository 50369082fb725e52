"""Orders move to another channel than the customer's own.

Own shares of channels are faded counts, leaning on everybody's shares as on two orders (Dirichlet). An order is
weighed by the hypothesis that the customer has left the usual channel: it then has a tenth of the orders, and the rest
goes elsewhere as everybody's does. Evidence adds up by Shiryaev and Roberts (`evidence`). Orders without a channel
say nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final
from zlib import crc32

from analytics.events import Event, What
from analytics.operators.base import (
    NOTHING,
    Adopted,
    Clear,
    Finding,
    Kind,
    Level,
    Operator,
    Outcome,
    Raise,
    Reading,
    Reason,
    Standing,
    World,
)
from analytics.operators.evidence import ALARM_YEARS, YEAR_DAYS, certainty, grown
from analytics.orders import DAY, Orders
from analytics.profile import Profile
from analytics.sections import Section, stored

MIN_ORDERS: Final = 5.0
CALM_YEARS: Final = 1.0
CHANGE_ORDERS: Final = 4
CHANGE_DAYS: Final = 20.0
_PRIOR_ORDERS: Final = 2.0
_KEPT: Final = 0.97  # of a faded count, an order
_MOST: Final = 1.0 / (1.0 - _KEPT)  # orders that a faded count comes to
_FADE: Final = math.exp(-1.0 / 8.0)
_STAYS: Final = 0.1  # share of the usual channel once it was left
_MAX_OWN: Final = 4
_MAX_CHANNELS: Final = 16
_MAX_NAME: Final = 40  # characters of a channel that count
_LEAST_SHARE: Final = 0.01
_DOUBT: Final = 0.1
_MOST_DAYS: Final = 60.0
_COUNT: Final = Struct("<Hd")
_NAME: Final = Struct("<HdB")


@dataclass(slots=True)
class Channels(Section):
    """Faded counts by channel number; the evidence that the usual one was left, the moment of the last order; orders
    elsewhere since the alarm, and when it was raised.
    """

    evidence: float = 0.0
    at: float = 0.0
    since: float = 0.0
    elsewhere: int = 0
    counts: dict[int, float] = field(default_factory=dict)

    def learn(self, channel: int, weight: float) -> None:
        """Counts an order; the rarest channel makes place for a fifth."""
        counts = self.counts
        for known in counts:
            counts[known] *= _KEPT
        if channel not in counts and len(counts) >= _MAX_OWN:
            del counts[min(counts, key=counts.__getitem__)]
        counts[channel] = counts.get(channel, 0.0) + weight

    def pack(self) -> bytes:
        head = self.LAYOUT.pack(self.evidence, self.at, self.since, self.elsewhere)
        return head + b"".join(_COUNT.pack(channel, count) for channel, count in self.counts.items())

    @classmethod
    def unpack(cls, packed: bytes) -> "Channels":
        found = cls(*cls.LAYOUT.unpack_from(packed))
        found.counts = dict(_COUNT.iter_unpack(packed[cls.LAYOUT.size :]))
        return found

    def merge(self, other: "Channels") -> None:
        for channel, count in other.counts.items():
            self.counts[channel] = self.counts.get(channel, 0.0) + count
        best = sorted(self.counts, key=lambda channel: (-self.counts[channel], channel))[:_MAX_OWN]
        self.counts = {channel: self.counts[channel] for channel in sorted(best)}
        self.at = max(self.at, other.at)
        self.evidence = 0.0


stored(Channels, 16, Struct("<3dH"))


@dataclass(slots=True)
class ChannelPopulation(Section):
    """Everybody's orders by channel, and the channels' names."""

    total: float = 0.0
    counts: dict[int, float] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def note(self, channel: int, name: bytes) -> None:
        if channel in self.counts:
            self.counts[channel] += 1.0
        elif len(self.counts) < _MAX_CHANNELS:
            self.counts[channel], self.names[channel] = 1.0, name.decode()
        else:
            return
        self.total += 1.0

    def share(self, channel: int) -> float:
        return max(_LEAST_SHARE, self.counts.get(channel, 0.0) / (self.total or 1.0))

    def pack(self) -> bytes:
        rows: list[bytes] = []
        for channel, count in self.counts.items():
            name = self.names[channel].encode()
            rows += (_NAME.pack(channel, count, len(name)), name)
        return b"".join(rows)

    @classmethod
    def unpack(cls, packed: bytes) -> "ChannelPopulation":
        found, at = cls(), 0
        while at < len(packed):
            channel, count, size = _NAME.unpack_from(packed, at)
            at += _NAME.size
            found.counts[channel], found.names[channel] = count, packed[at : at + size].decode()
            found.total += count
            at += size
        return found


stored(ChannelPopulation, 17)


class ChannelChange(Operator):
    kind = Kind.CHANNEL_CHANGE
    takes = frozenset({What.ORDER})

    def learn(self, profile: Profile, event: Event, world: World) -> Sequence[Outcome]:
        name = event.data.get("channel")
        if not name or not isinstance(name, str):
            return NOTHING
        name = name[:_MAX_NAME].encode(errors="replace")
        channel, own, everybody = crc32(name) & 0xFFFF, profile.of(Channels), world.of(ChannelPopulation)
        everybody.note(channel, name)
        days, own.at = (event.time - own.at) / DAY, max(own.at, event.time)
        if len(everybody.counts) == 1:
            own.counts[channel] = min(own.counts.get(channel, 0.0) + 1.0, _MOST)
            return NOTHING
        total = sum(own.counts.values())
        if total < MIN_ORDERS:
            own.learn(channel, 1.0)
            return NOTHING
        usual = max(own.counts, key=own.counts.__getitem__)
        own.evidence = grown(own.evidence, days, _FADE, _ratio(own, everybody, channel, usual, total))
        own.learn(channel, _teaching(own.evidence, days))
        return self._say(profile, event, own, everybody, channel, usual)

    def _say(
        self, profile: Profile, event: Event, own: Channels, everybody: ChannelPopulation, channel: int, usual: int
    ) -> Sequence[Outcome]:
        remarkable = own.evidence >= ALARM_YEARS and channel != usual
        if self.kind not in profile.episodes:
            if not remarkable:
                return NOTHING
            own.since, own.elsewhere = event.time, 1
            return (Raise(explain(profile, own, everybody, event.data["channel"], usual)),)
        own.elsewhere = min(own.elsewhere + (channel != usual), 65_535)
        if own.evidence < CALM_YEARS:
            return (Clear(self.kind, "They order where they used to."),)
        if own.elsewhere < CHANGE_ORDERS or event.time - own.since < CHANGE_DAYS * DAY:
            return (Raise(explain(profile, own, everybody, event.data["channel"], usual)),) if remarkable else NOTHING
        own.counts, own.evidence = {channel: MIN_ORDERS}, 0.0
        return (Clear(self.kind, f"Ordering by {event.data['channel']} is the new usual."),)

    def standing(self, profile: Profile, world: World, now: float) -> Standing | None:
        own = profile.get(Channels)
        if own is None:
            return None
        total, label = sum(own.counts.values()), "Channel"
        if total < MIN_ORDERS:
            evidence = f"{total:.0f} orders with a channel; {MIN_ORDERS:.0f} are needed"
            return Standing(self.kind, label, None, Level.UNKNOWN, False, evidence, (), now)
        usual = max(own.counts, key=own.counts.__getitem__)
        name = world.of(ChannelPopulation).names.get(usual, "another channel")
        level = Level.ALARM if self.kind in profile.episodes else Level.WATCH if own.evidence > 20 else Level.OK
        text = f"{own.counts[usual] / total:.0%} of the orders came by {name}."
        known = f"{total:.0f} orders with a channel, enough"
        value = certainty(own.evidence)
        return Standing(self.kind, label, value, level, True, known, (Reason("share", text, 1.0),), now)

    def score_again(self, features: Mapping[str, Any], model: Adopted | None) -> float:
        return certainty(features["evidence_years"])


def _teaching(evidence: float, days: float) -> float:
    """The weight of an order: the probability that the usual channel was not left, where the likelihood ratios of the
    run that the evidence stands for meet prior odds of one in ten.
    """
    return 1.0 / (1.0 + _DOUBT * evidence * YEAR_DAYS / min(max(days, 1.0), _MOST_DAYS))


def _ratio(own: Channels, everybody: ChannelPopulation, channel: int, usual: int, total: float) -> float:
    """The log likelihood ratio of "left the usual channel" against the customer's own shares."""
    share = everybody.share(channel)
    as_usual = (own.counts.get(channel, 0.0) + _PRIOR_ORDERS * share) / (total + _PRIOR_ORDERS)
    if channel == usual:
        return math.log(_STAYS / as_usual) if as_usual > _STAYS else 0.0
    elsewhere = (1.0 - _STAYS) * min(1.0, share / max(1.0 - everybody.share(usual), share))
    return math.log(elsewhere / as_usual)


def explain(profile: Profile, own: Channels, everybody: ChannelPopulation, name: str, usual: int) -> Finding:
    """The words and numbers; good where the orders come no slower than they used to."""
    orders, total = profile.of(Orders), sum(own.counts.values())
    was = everybody.names.get(usual, "another channel")
    share = own.counts[usual] / total
    mean_gap = orders.mean_gap_days() or 0.0
    good = (orders.last_at - orders.previous_at) / DAY <= 1.5 * mean_gap
    return Finding(
        kind=Kind.CHANNEL_CHANGE,
        direction="good" if good else "bad",
        severity="low" if good else "medium",
        score=certainty(own.evidence),
        sentence=f"Orders by {name} now; usually by {was}.",
        expected=Reading(round(share, 4), "share", f"{share:.0%} of orders by {was}"),
        observed=Reading(None, "channel", f"the last orders by {name}"),
        reasons=(
            Reason("share", f"{share:.0%} of about {total:.0f} orders before came by {was}.", 0.7),
            Reason("pace", f"They order {'as often as before' if good else 'less often'}.", 0.3),
        ),
        step=("follow", f"Make sure they are served well by {name}")
        if good
        else ("ask", f"Ask what was wrong with {was}"),
        features={"evidence_years": own.evidence, "usual_share": share, "orders": total},
    )
