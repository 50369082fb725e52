"""The projection of contacts: who they are, whether they may be written to, and who turned out to be one."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from campaign import events
from campaign.domain import Outcome
from campaign.models import ContactRow
from campaign.repository import contacts, enrolments, messages
from campaign.service.enrolments import Enrolments
from common.envelope import Envelope


class Contacts:
    """Follows what the contact service says."""

    def __init__(self, enrolments_: Enrolments) -> None:
        self._enrolments = enrolments_

    async def known(self, session: AsyncSession, people: Sequence[events.ContactKnown]) -> None:
        """The last word on each person holds."""
        latest = {person.contact: person for person in people}
        await contacts.store(
            session,
            [
                {
                    "customer": person.contact,
                    "name": person.name,
                    "email": person.email,
                    "consent": person.consent.email,
                    "traits": person.traits,
                }
                for person in latest.values()
            ],
        )

    async def merged(self, session: AsyncSession, merged: events.ContactMerged, envelope: Envelope) -> None:
        """The loser's enrolments and messages are the survivor's; of two live enrolments the older stays."""
        loser, survivor = await contacts.lock_for_merge(session, merged.losing, merged.surviving)
        if loser.customer == survivor.customer:
            return
        await self._enrolments.collapse(session, loser.customer, survivor.customer, envelope)
        await session.flush()
        await enrolments.move_customer(session, loser.customer, survivor.customer)
        await messages.move_customer(session, loser.customer, survivor.customer)
        _inherit(survivor, loser)
        await session.flush()
        await contacts.point_to(session, loser.customer, survivor.customer)

    async def separated(self, session: AsyncSession, parted: events.ContactSeparated) -> None:
        """The loser has back the journeys they were in for what was noticed of them, and what was written in these.

        What ended because the two were one stays ended. Names and consents follow as the contact service says them.
        """
        survivor, loser = await contacts.part(session, parted.surviving, parted.losing, parted.keys)
        ids = await enrolments.move_back(session, survivor.customer, parted.keys, loser.customer)
        await messages.move_with(session, ids, loser.customer)
        survivor.last_order_at = parted.last_order_at.surviving
        loser.last_order_at = parted.last_order_at.losing

    async def consent_changed(self, session: AsyncSession, changed: events.ConsentChanged, envelope: Envelope) -> None:
        """Said anywhere but by a link of ours; a later yes takes the address off the suppression list."""
        if changed.channel != "email" or envelope.source == events.SOURCE:
            return
        contact = await contacts.lock(session, envelope.key)
        contact.consent = changed.given
        if not changed.given:
            await self._enrolments.conclude(session, contact.customer, Outcome.UNSUBSCRIBED, envelope)
        elif contact.email:
            await contacts.lift_suppression(session, contact.email, envelope.time)


def _inherit(survivor: ContactRow, loser: ContactRow) -> None:
    """Fills what the survivor lacks until the contact service says more; a no of either is a no."""
    survivor.name = survivor.name or loser.name
    survivor.email = survivor.email or loser.email
    if survivor.consent is None or loser.consent is False:
        survivor.consent = loser.consent
    orders = [at for at in (survivor.last_order_at, loser.last_order_at) if at]
    survivor.last_order_at = max(orders, default=None)
