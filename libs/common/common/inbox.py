"""The first statement of a handler's transaction: which of these facts are new to this consumer."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ARRAY, Column, DateTime, MetaData, Table, Text, bindparam, delete, func, text
from sqlalchemy.ext.asyncio import AsyncSession

from common.envelope import Envelope

INBOX = Table(
    "inbox",
    MetaData(),
    Column("group", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("received_at", DateTime(timezone=True), server_default=func.now(), nullable=False, index=True),
)

KEEP = timedelta(days=30)

# One statement whatever the number of ids, so that it is prepared once.
_REMEMBER = text(
    'INSERT INTO inbox ("group", id) SELECT :group, unnest(:ids) ON CONFLICT DO NOTHING RETURNING id'
).bindparams(bindparam("ids", type_=ARRAY(Text)), bindparam("group", type_=Text))


async def admit(session: AsyncSession, group: str, envelopes: Sequence[Envelope]) -> list[Envelope]:
    """The envelopes not seen before, in order; remembers them when the session commits."""
    first: dict[str, Envelope] = {}
    for envelope in envelopes:
        first.setdefault(envelope.id, envelope)
    if not first:
        return []
    new = set((await session.execute(_REMEMBER, {"group": group, "ids": list(first)})).scalars())
    return [envelope for id_, envelope in first.items() if id_ in new]


async def forget_old(session: AsyncSession) -> None:
    """Drops what no producer will send again."""
    await session.execute(delete(INBOX).where(INBOX.c.received_at < func.now() - KEEP))
