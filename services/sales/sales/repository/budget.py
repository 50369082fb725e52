"""Places in owners' days, what waits for one, and what the threshold rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from sales.domain import AlertStatus, Outcome
from sales.domain.budget import DAY, HISTORY, LABELS, MOST_PLACES, PRIOR_RIGHT, PRIOR_WRONG, Judged, Past
from sales.models import AlertRow, OwnerRow

_MOST_HISTORY = 500

_GIVE_PLACES = text(
    """
    INSERT INTO alert_places (owner_id, number) SELECT :owner, number FROM generate_series(1, :most) AS number
    ON CONFLICT DO NOTHING
    """
)
# Who wants a place waits for nobody: one that another transaction is about to take is passed over.
_TAKE = text(
    """
    UPDATE alert_places SET taken_at = :now WHERE owner_id = :owner AND number = (
        SELECT number FROM alert_places
        WHERE owner_id = :owner AND number <= :per_day AND (taken_at IS NULL OR taken_at <= :since)
        AND :leave < (
            SELECT count(*) FROM alert_places
            WHERE owner_id = :owner AND number <= :per_day AND (taken_at IS NULL OR taken_at <= :since)
        )
        ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING number
    """
)
_ROOM = text(
    """
    SELECT owner.id, owner.policy, places.free, alert.id, alert.kind, alert.merit
    FROM (SELECT owner_id FROM alerts WHERE surfaced_at IS NULL AND status = 'open' GROUP BY owner_id) AS waiting
    JOIN owners AS owner ON owner.id = waiting.owner_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS free FROM alert_places
        WHERE owner_id = owner.id AND number <= :per_day AND (taken_at IS NULL OR taken_at <= :since)
    ) AS places
    CROSS JOIN LATERAL (
        SELECT id, kind, merit FROM alerts
        WHERE owner_id = owner.id AND surfaced_at IS NULL AND status = 'open'
        ORDER BY merit * coalesce((owner.policy -> 'precisions' -> kind ->> 0)::float, :unjudged) DESC, id
        LIMIT places.free
    ) AS alert
    """
)
_RECENT = text(
    """
    SELECT owner_id, kind, merit, created_at FROM (
        SELECT owner_id, kind, merit, created_at,
            row_number() OVER (PARTITION BY owner_id ORDER BY created_at DESC) AS nth
        FROM alerts WHERE owner_id IS NOT NULL AND created_at > :since
    ) AS recent WHERE nth <= :most
    """
)
_TAKEN = text(
    "SELECT owner_id, count(*) FROM alert_places WHERE number <= :per_day AND taken_at > :since GROUP BY owner_id"
)
_RIGHT = (Outcome.CONTACTED, Outcome.RECOVERED, Outcome.LOST)


@dataclass(frozen=True)
class Waiting:
    """An alert that waits, and how many places its owner has free."""

    owner: str
    policy: Mapping[str, Any]
    free: int
    id: str
    kind: str
    merit: float


@dataclass(frozen=True)
class Used:
    """Of an owner: places taken within a day, and alerts that wait."""

    taken: int
    waiting: int


async def give_places(session: AsyncSession, owner_id: str) -> None:
    await session.execute(_GIVE_PLACES, {"owner": owner_id, "most": MOST_PLACES})


async def take_place(session: AsyncSession, owner_id: str, per_day: int, leave: int, now: datetime) -> bool:
    """Takes a free place of the owner's day, if more than `leave` are free. Waits for no other transaction."""
    wanted = {"owner": owner_id, "per_day": per_day, "leave": leave, "now": now, "since": now - DAY}
    return (await session.execute(_TAKE, wanted)).scalar_one_or_none() is not None


async def with_room(session: AsyncSession, per_day: int, now: datetime) -> Sequence[Waiting]:
    """Of each owner with free places as many waiting alerts, the worthiest first."""
    unjudged = PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG)
    rows = await session.execute(_ROOM, {"per_day": per_day, "since": now - DAY, "unjudged": unjudged})
    return [Waiting(*row) for row in rows]


async def waiting(session: AsyncSession, limit: int) -> Sequence[str]:
    """Alerts that wait, whatever for."""
    query = select(AlertRow.id).where(*waits()).order_by(AlertRow.id).limit(limit)
    return (await session.execute(query)).scalars().all()


def waits() -> tuple[Any, Any]:
    """Conditions on an alert that waits for room in its owner's day."""
    return AlertRow.surfaced_at.is_(None), AlertRow.status == AlertStatus.OPEN


async def recent(session: AsyncSession, now: datetime) -> Mapping[str, Sequence[Past]]:
    """The alerts of the last two weeks by owner, at most 500 of each."""
    found: dict[str, list[Past]] = {}
    rows = await session.execute(_RECENT, {"since": now - HISTORY, "most": _MOST_HISTORY})
    for owner_id, kind, merit, created_at in rows:
        found.setdefault(owner_id, []).append(Past(kind, merit, created_at))
    return found


async def usual_values(session: AsyncSession, now: datetime) -> Mapping[str, float]:
    """The median value at stake in the alerts of the last two weeks, by currency."""
    median = func.percentile_cont(0.5).within_group(AlertRow.value)
    query = select(AlertRow.currency, median).where(AlertRow.value.is_not(None), AlertRow.created_at > now - HISTORY)
    rows = (await session.execute(query.group_by(AlertRow.currency))).all()
    return {currency: value for currency, value in rows if currency}


async def judged(session: AsyncSession, now: datetime) -> Mapping[str, Mapping[str, Judged]]:
    """How many alerts were right and how many false, by owner (empty for nobody's) and kind."""
    right = func.count().filter(AlertRow.outcome.in_(_RIGHT))
    false = func.count().filter(AlertRow.outcome == Outcome.FALSE_ALARM)
    owner = func.coalesce(AlertRow.owner_id, "")
    query = select(owner, AlertRow.kind, right, false)
    query = query.where(AlertRow.outcome.is_not(None), AlertRow.resolved_at > now - LABELS)
    found: dict[str, dict[str, Judged]] = {}
    for owner_id, kind, good, bad in await session.execute(query.group_by(owner, AlertRow.kind)):
        found.setdefault(owner_id, {})[kind] = (good, bad)
    return found


async def put_policy(session: AsyncSession, owner_id: str, policy: dict[str, Any]) -> None:
    await session.execute(update(OwnerRow).where(OwnerRow.id == owner_id).values(policy=policy))


async def used(session: AsyncSession, per_day: int, now: datetime) -> Mapping[str, Used]:
    """By owner; who has none of both is left out."""
    taken = await session.execute(_TAKEN, {"per_day": per_day, "since": now - DAY})
    places: dict[str, int] = dict(iter(taken))
    query = select(AlertRow.owner_id, func.count()).where(*waits()).group_by(AlertRow.owner_id)
    waiting = {owner: count for owner, count in await session.execute(query) if owner}
    return {owner: Used(places.get(owner, 0), waiting.get(owner, 0)) for owner in {*places, *waiting}}
