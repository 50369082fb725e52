"""Facts of others → use cases."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from common.consumer import Handler
from common.envelope import Envelope
from sales import events
from sales.service.alerts import Alerts
from sales.service.customers import Customers
from sales.service.leads import Leads


def trigger_handlers(alerts: Alerts) -> Mapping[str, Handler]:
    async def raised(session: AsyncSession, envelope: Envelope) -> None:
        await alerts.trigger_raised(session, events.TriggerTold.model_validate(envelope.data), envelope)

    async def updated(session: AsyncSession, envelope: Envelope) -> None:
        await alerts.trigger_updated(session, events.TriggerTold.model_validate(envelope.data))

    async def cleared(session: AsyncSession, envelope: Envelope) -> None:
        told = events.TriggerCleared.model_validate(envelope.data)
        await alerts.trigger_cleared(session, told.trigger, envelope)

    return {events.TRIGGER_RAISED: raised, events.TRIGGER_UPDATED: updated, events.TRIGGER_CLEARED: cleared}


def fact_handlers(leads: Leads, customers: Customers) -> Mapping[str, Handler]:
    async def lead_captured(session: AsyncSession, envelope: Envelope) -> None:
        await leads.capture(session, events.LeadCaptured.model_validate(envelope.data), envelope)

    async def contact_changed(session: AsyncSession, envelope: Envelope) -> None:
        told = events.ContactChanged.model_validate(envelope.data)
        await customers.named(session, told.contact, told.name)

    async def contact_merged(session: AsyncSession, envelope: Envelope) -> None:
        merged = events.ContactMerged.model_validate(envelope.data)
        await customers.merged(session, merged.losing, merged.surviving)

    async def contact_separated(session: AsyncSession, envelope: Envelope) -> None:
        separated = events.ContactSeparated.model_validate(envelope.data)
        if envelope.key == separated.losing:  # it is told under other keys as well
            await customers.separated(session, separated.losing, separated.surviving, separated.keys)

    return {
        events.LEAD_CAPTURED: lead_captured,
        events.CONTACT_CREATED: contact_changed,
        events.CONTACT_UPDATED: contact_changed,
        events.CONTACT_MERGED: contact_merged,
        events.CONTACT_SEPARATED: contact_separated,
    }
