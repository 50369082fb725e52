"""A trigger's life: raised once, updated while it lasts, cleared when it is over. One episode, one trigger."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from analytics.events import CLEARED, RAISED, UPDATED, Event, emission, moment, stable_id
from analytics.operators.base import Clear, Finding, Raise, Reading, kind_of
from analytics.orders import SCALE, Orders
from analytics.profile import Episode, Profile
from common.clock import rfc3339
from common.envelope import Envelope

_MATERIAL: Final = 0.1  # a score has to move this far to be worth saying again


def raise_or_update(
    profile: Profile, raised: Raise, event: Event, customer: str, now: float, *, history: bool
) -> Envelope | None:
    """Opens an episode, or refreshes the open one when its score moved (or `again`). None when nothing is said.

    In `history` (imported facts, or a timer due before the import) the episode opens silently. Where the customer goes
    on with it afterwards, by a fact of their own, it is raised then.
    """
    finding, key = raised.finding, raised.episode or int(raised.finding.kind)
    episode = profile.episodes.get(key)
    if episode is None:
        trigger = UUID(stable_id("trigger", customer, finding.kind.slug, key, event.id, now))
        episode = profile.episodes[key] = Episode(key, trigger.bytes, now, now, finding.score, silent=history)
        return None if history else _say(RAISED, profile, episode, finding, event, customer, now)
    if episode.silent and not history and event.customer and event.time == now:
        episode.silent, episode.opened_at, episode.updated_at, episode.score = False, now, now, finding.score
        return _say(RAISED, profile, episode, finding, event, customer, now)
    if episode.silent or not (raised.again or abs(finding.score - episode.score) >= _MATERIAL):
        return None
    episode.updates += 1
    episode.score, episode.updated_at = finding.score, now
    return _say(UPDATED, profile, episode, finding, event, customer, now)


def clear(profile: Profile, cleared: Clear, event: Event, customer: str, now: float) -> Envelope | None:
    """Ends the open episode. None when there is none, or nobody was told of it."""
    episode = profile.episodes.pop(cleared.episode or int(cleared.kind), None)
    return None if episode is None else end(episode, cleared.why, event, customer, now)


def end(episode: Episode, why: str, event: Event, customer: str, now: float) -> Envelope | None:
    """Says that an episode is over. None when nobody was told of it."""
    if episode.silent:
        return None
    trigger = str(UUID(bytes=episode.trigger))
    data = {
        "trigger": trigger,
        "kind": kind_of(episode.kind).slug,
        "customer": customer,
        "sentence": why,
        "opened_at": rfc3339(moment(episode.opened_at)),
        "time": rfc3339(moment(now)),
        "score": round(float(episode.score), 6),
        "event_ids": [event.id],
        "log": {"partition": event.partition, "offset": event.offset},
    }
    return emission(CLEARED, customer, data, event, now, stable_id(trigger, "cleared"))


def _say(
    type_: str, profile: Profile, episode: Episode, finding: Finding, event: Event, customer: str, now: float
) -> Envelope:
    trigger = str(UUID(bytes=episode.trigger))
    data: dict[str, Any] = {
        "trigger": trigger,
        "kind": finding.kind.slug,
        "customer": customer,
        "direction": finding.direction,
        "severity": finding.severity,
        "sentence": finding.sentence,
        "expected": _reading(finding.expected),
        "observed": _reading(finding.observed),
        "score": round(finding.score, 6),
        "reasons": [{"code": r.code, "text": r.text, "weight": r.weight} for r in finding.reasons],
        "event_ids": [event.id],
        "model_version": None if finding.model_version is None else str(finding.model_version),
        "opened_at": rfc3339(moment(episode.opened_at)),
        "time": rfc3339(moment(now)),
        "recent_orders": recent_orders(profile),
        "suggested_step": {"code": finding.step[0], "text": finding.step[1]},
        "features": dict(finding.features),
        "log": {"partition": event.partition, "offset": event.offset},
    }
    if finding.rule is not None:
        data["rule"] = finding.rule
    return emission(type_, customer, data, event, now, stable_id(trigger, type_, episode.updates))


def recent_orders(profile: Profile) -> Sequence[dict[str, str]]:
    """The picture of the rhythm, oldest first."""
    return [
        {"at": rfc3339(moment(o.at)), "total": f"{o.amount / SCALE:.2f}", "currency": o.currency}
        for o in profile.of(Orders).recent()
    ]


def _reading(reading: Reading) -> dict[str, object]:
    return {"value": reading.value, "unit": reading.unit, "text": reading.text}
