"""A handler whose effects can be counted, and facts to feed it: what a ledger of exactly-once is kept with."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.bus import Message
from common.database import Database
from common.envelope import Envelope

HAPPENED = "test.happened.v1"
MOMENT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

# Without a unique key: a second effect of one fact shows.
EFFECTS = Table(
    "effects",
    MetaData(),
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("id", Text, nullable=False),
    Column("key", Text, nullable=False),
)


def fact(number: int, /, key: str = "c_1", type_: str = HAPPENED, **data: object) -> Envelope:
    """The `number`th fact about a key; its id is made of both."""
    return Envelope(
        type=type_,
        source="/test",
        key=key,
        subject=key,
        data={"number": number, **data},
        time=MOMENT,
        received=MOMENT,
        id=f"{key}-{number}",
        correlation_id="chain",
    )


def message(topic: str, envelope: Envelope, partition: int | None = None) -> Message:
    """The envelope as it is sent."""
    return Message(topic, envelope.key, envelope.value(), envelope.headers(), partition)


async def record_effect(session: AsyncSession, envelope: Envelope) -> None:
    """The handler: one row an effect."""
    await session.execute(insert(EFFECTS).values(id=envelope.id, key=envelope.key))


async def effects(database: Database) -> Sequence[str]:
    """The ids of all facts that had their effect, in its order."""
    async with database.transaction() as session:
        return (await session.execute(select(EFFECTS.c.id).order_by(EFFECTS.c.position))).scalars().all()
