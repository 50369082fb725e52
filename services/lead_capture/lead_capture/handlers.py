"""Facts of contact → the alias table: which customer key an identifier's key stands for.

They come in order per contact, yet those of different contacts may overtake each other. The table ends right all the
same: a merge moves whatever was pointed at its losing side before, and follows what its surviving side lost since.
A separation comes under the keys of both people, so that what either was told before cannot overtake it; it takes from
the survivor what is still there, and follows what the other one lost since.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from common.consumer import Handler
from common.envelope import Envelope
from lead_capture import repository
from lead_capture.domain.identity import KINDS, customer_key
from lead_capture.events import (
    CONTACT_CREATED,
    CONTACT_MERGED,
    CONTACT_SEPARATED,
    CONTACT_UPDATED,
    ContactKnown,
    ContactMerged,
    ContactSeparated,
)


async def contact_known(session: AsyncSession, envelope: Envelope) -> None:
    """All identifiers of a contact lead to it."""
    contact = ContactKnown.model_validate(envelope.data)
    keys = [customer_key(kind, value) for kind in KINDS for value in contact.identifiers.get(kind, ()) if value]
    await repository.point(session, [*keys, contact.contact], contact.contact)


async def contact_merged(session: AsyncSession, envelope: Envelope) -> None:
    """What led to the losing contact leads to the surviving one."""
    merged = ContactMerged.model_validate(envelope.data)
    survivor = await repository.survivor(session, merged.surviving)
    if survivor == merged.losing:  # an older merge, the other way round
        survivor = merged.surviving
    await repository.repoint(session, merged.losing, survivor)
    await repository.point(session, [merged.losing], survivor)


async def contact_separated(session: AsyncSession, envelope: Envelope) -> None:
    """A merge was undone: facts that name the losing person are theirs again."""
    parted = ContactSeparated.model_validate(envelope.data)
    held_by = {parted.surviving, await repository.survivor(session, parted.surviving)}
    losing = await repository.survivor(session, parted.losing)
    if losing in held_by:
        losing = parted.losing
    await repository.hand_back(session, parted.keys, held_by, losing)


HANDLERS: dict[str, Handler] = {
    CONTACT_CREATED: contact_known,
    CONTACT_UPDATED: contact_known,
    CONTACT_MERGED: contact_merged,
    CONTACT_SEPARATED: contact_separated,
}
