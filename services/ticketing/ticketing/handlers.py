"""Facts of others → use cases."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from common.consumer import Handler
from common.envelope import Envelope
from ticketing import events
from ticketing.service import Desk


def handlers(desk: Desk) -> Mapping[str, Handler]:
    """What ticketing does about the facts it takes, by their type."""

    async def contact_merged(session: AsyncSession, envelope: Envelope) -> None:
        merged = events.ContactMerged.model_validate(envelope.data)
        await desk.merge(session, merged.losing, merged.surviving)

    async def contact_separated(session: AsyncSession, envelope: Envelope) -> None:
        separated = events.ContactSeparated.model_validate(envelope.data)
        if envelope.key == separated.losing:  # it is told under other keys as well
            await desk.separate(session, separated.losing, separated.surviving, separated.keys)

    return {events.CONTACT_MERGED: contact_merged, events.CONTACT_SEPARATED: contact_separated}
