"""Alerts and the log of their changes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ScalarSelect, Select, Table, and_, bindparam, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, joinedload

from common.notifications import notify
from common.paging import Page, after, page
from sales.domain import Alert, AlertStatus, Outcome, Severity
from sales.models import AlertChangeRow, AlertRow, ClearedTriggerRow, ContactRow
from sales.repository.budget import waits

CHANGED = "alert_changed"

# Built once: to put a statement together costs more than to execute it.
_ALERT = select(AlertRow).options(joinedload(AlertRow.owner))
_HELD = _ALERT.with_for_update(of=AlertRow).execution_options(populate_existing=True)
_HOLD = _HELD.where(AlertRow.id == bindparam("key"))
_HOLD_OF_TRIGGER = _HELD.where(AlertRow.trigger_id == bindparam("key"))
_HOLD_ALL_OF = _HELD.where(AlertRow.customer == bindparam("key")).order_by(AlertRow.id)
_HEARD_OF = select(
    or_(
        exists().where(AlertRow.trigger_id == bindparam("key")),
        exists().where(ClearedTriggerRow.trigger_id == bindparam("key")),
    )
)
_LOG = insert(cast(Table, AlertChangeRow.__table__))


@dataclass(frozen=True)
class Wanted:
    """Whose alerts, of which kind, about which customer; None: all."""

    owner: str | None = None
    kind: str | None = None
    customer: str | None = None

    def narrow(self, query: Select[Any]) -> Select[Any]:
        columns = ((AlertRow.owner_id, self.owner), (AlertRow.kind, self.kind), (AlertRow.customer, self.customer))
        return query.where(*(column == value for column, value in columns if value))


async def add(session: AsyncSession, row: AlertRow) -> None:
    session.add(row)
    await session.flush()


async def hold(session: AsyncSession, alert_id: str) -> AlertRow | None:
    """The alert, held until the transaction ends: its facts and changes are in the order of their commits."""
    return (await session.execute(_HOLD, {"key": alert_id})).scalar_one_or_none()


async def hold_of_trigger(session: AsyncSession, trigger_id: str) -> AlertRow | None:
    return (await session.execute(_HOLD_OF_TRIGGER, {"key": trigger_id})).scalar_one_or_none()


async def hold_all_of(session: AsyncSession, customer: str) -> Sequence[AlertRow]:
    return (await session.execute(_HOLD_ALL_OF, {"key": customer})).scalars().all()


async def is_new(session: AsyncSession, trigger_id: str) -> bool:
    """Whether nothing was heard of this trigger, neither that it was raised nor that it was cleared."""
    return not (await session.execute(_HEARD_OF, {"key": trigger_id})).scalar_one()


async def find(session: AsyncSession, alert_id: str) -> tuple[AlertRow, int | None] | None:
    """The alert and its newest place in the stream."""
    query = _ALERT.add_columns(_seq()).where(AlertRow.id == alert_id)
    found = (await session.execute(query)).one_or_none()
    return (found[0], found[1]) if found else None


async def search(
    session: AsyncSession,
    *,
    status: str,
    surfaced: bool | None,
    wanted: Wanted,
    limit: int,
    cursor: str | None,
) -> Page[tuple[AlertRow, int | None]]:
    """Newest first; `status` is one of the lifecycle's, `active` (not resolved) or `all`."""
    query = _ALERT.add_columns(_seq()).order_by(AlertRow.created_at.desc(), AlertRow.id.desc())
    if status == "active":
        query = query.where(AlertRow.status != AlertStatus.RESOLVED)
    elif status != "all":
        query = query.where(AlertRow.status == status)
    if surfaced is not None:
        query = query.where(AlertRow.surfaced_at.is_not(None) if surfaced else AlertRow.surfaced_at.is_(None))
    query = after(wanted.narrow(query), cursor, AlertRow.created_at, AlertRow.id)
    rows = [(row, seq) for row, seq in await session.execute(query.limit(limit + 1))]
    return page(rows, limit, lambda found: (found[0].created_at, found[0].id))


async def count_waiting(session: AsyncSession, wanted: Wanted) -> int:
    """How many wait for room in their owner's day."""
    query = select(func.count()).select_from(AlertRow).where(*waits())
    return int((await session.execute(wanted.narrow(query))).scalar_one())


def _seq() -> ScalarSelect[int | None]:
    newest = select(func.max(AlertChangeRow.seq)).where(AlertChangeRow.alert_id == AlertRow.id)
    return newest.correlate(AlertRow).scalar_subquery()


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[str]:
    """Alerts for which time has come: a snooze that ended, a deadline that passed."""
    woken = and_(AlertRow.status == AlertStatus.SNOOZED, AlertRow.snoozed_until <= now)
    late = and_(AlertRow.status == AlertStatus.OPEN, ~AlertRow.overdue, AlertRow.due_at <= now)
    query = select(AlertRow.id).where(or_(woken, late)).limit(limit)
    return (await session.execute(query)).scalars().all()


async def without_owner(session: AsyncSession, limit: int) -> Sequence[str]:
    query = select(AlertRow.id).where(AlertRow.owner_id.is_(None), AlertRow.status != AlertStatus.RESOLVED)
    return (await session.execute(query.order_by(AlertRow.id).limit(limit))).scalars().all()


async def misplaced(session: AsyncSession, limit: int) -> Sequence[str]:
    """Active alerts under a key that was merged away, or with an older name of their customer."""
    merged = ContactRow.merged_into.is_not(None)
    renamed = and_(ContactRow.name.is_not(None), ContactRow.name.is_distinct_from(AlertRow.customer_name))
    query = select(AlertRow.id).join(ContactRow, ContactRow.customer == AlertRow.customer)
    query = query.where(AlertRow.status != AlertStatus.RESOLVED, or_(merged, renamed))
    return (await session.execute(query.limit(limit))).scalars().all()


async def put_cleared(session: AsyncSession, trigger_id: str, at: datetime) -> None:
    statement = insert(ClearedTriggerRow).values(trigger_id=trigger_id, cleared_at=at)
    await session.execute(statement.on_conflict_do_nothing())


async def log_change(session: AsyncSession, alert_id: str, snapshot: dict[str, Any]) -> None:
    """The alert as it is now, for the streams, once this transaction commits."""
    await session.execute(_LOG, {"alert_id": alert_id, "snapshot": snapshot})
    notify(session, CHANGED)


async def stream_head(session: AsyncSession) -> int:
    """The newest `seq` given."""
    return (await session.execute(select(func.max(AlertChangeRow.seq)))).scalar_one() or 0


async def compact(session: AsyncSession, before: datetime) -> None:
    """Drops old changes that a later one of the same alert makes superfluous to whoever resumes."""
    newer = aliased(AlertChangeRow)
    superseded = select(newer.seq).where(newer.alert_id == AlertChangeRow.alert_id, newer.seq > AlertChangeRow.seq)
    await session.execute(delete(AlertChangeRow).where(AlertChangeRow.at < before, superseded.exists()))
    await session.execute(delete(ClearedTriggerRow).where(ClearedTriggerRow.cleared_at < before))


def to_domain(row: AlertRow) -> Alert:
    return Alert(
        status=AlertStatus(row.status),
        severity=Severity(row.severity),
        due_at=row.due_at,
        overdue=row.overdue,
        acknowledged_at=row.acknowledged_at,
        snoozed_until=row.snoozed_until,
        resolved_at=row.resolved_at,
        outcome=Outcome(row.outcome) if row.outcome else None,
        note=row.note,
        cleared_at=row.cleared_at,
        surfaced_at=row.surfaced_at,
    )


def store(row: AlertRow, state: Alert) -> None:
    """Writes what the rules decided into the row."""
    for name, value in asdict(state).items():
        setattr(row, name, value)
