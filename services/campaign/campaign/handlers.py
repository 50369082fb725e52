"""Facts of others → use cases, batch by batch: orders and contacts are many, so they are written together."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncSession

from campaign import events
from campaign.service import Contacts, Enrolments, Responses
from common import telemetry
from common.consumer import BatchHandler, Handler
from common.envelope import Envelope

RunHandler = Callable[[AsyncSession, Sequence[Envelope]], Awaitable[None]]

# Orders and contacts touch different columns, so that among themselves their order does not matter.
_COMMUTING = frozenset({events.ORDER_PLACED, events.CONTACT_CREATED, events.CONTACT_UPDATED})
TYPES = _COMMUTING | {
    events.TRIGGER_RAISED,
    events.TRIGGER_CLEARED,
    events.CONTACT_MERGED,
    events.CONTACT_SEPARATED,
    events.CONSENT_CHANGED,
}


def handler(journeys: Enrolments, people: Contacts, responses: Responses) -> BatchHandler:
    """Takes the facts of TYPES."""
    many: dict[bool, RunHandler] = {True: responses.ordered, False: _known(people)}
    single = _single(journeys, people)

    async def handle(session: AsyncSession, envelopes: Sequence[Envelope]) -> None:
        for run in runs(envelopes):
            if run[0].type in _COMMUTING:
                await many[run[0].type == events.ORDER_PLACED](session, run)
            else:
                with telemetry.handling(run[0]):
                    await single[run[0].type](session, run[0])

    return handle


def runs(envelopes: Sequence[Envelope]) -> Iterator[list[Envelope]]:
    """Orders together, contacts together, every other fact by itself, nothing moved across such a one."""
    for commuting, stretch in groupby(envelopes, key=lambda e: e.type in _COMMUTING):
        if not commuting:
            yield from ([envelope] for envelope in stretch)
            continue
        found = list(stretch)
        for is_order in (True, False):
            if some := [e for e in found if (e.type == events.ORDER_PLACED) is is_order]:
                yield some


def _known(people: Contacts) -> RunHandler:
    async def known(session: AsyncSession, envelopes: Sequence[Envelope]) -> None:
        await people.known(session, [events.ContactKnown.model_validate(e.data) for e in envelopes])

    return known


def _single(journeys: Enrolments, people: Contacts) -> Mapping[str, Handler]:
    async def raised(session: AsyncSession, envelope: Envelope) -> None:
        await journeys.enrol(session, events.TriggerRaised.model_validate(envelope.data), envelope)

    async def cleared(session: AsyncSession, envelope: Envelope) -> None:
        await journeys.clear(session, events.TriggerCleared.model_validate(envelope.data), envelope)

    async def merged(session: AsyncSession, envelope: Envelope) -> None:
        await people.merged(session, events.ContactMerged.model_validate(envelope.data), envelope)

    async def separated(session: AsyncSession, envelope: Envelope) -> None:
        parted = events.ContactSeparated.model_validate(envelope.data)
        if envelope.key == parted.losing:  # it is told under other keys as well
            await people.separated(session, parted)

    async def consent(session: AsyncSession, envelope: Envelope) -> None:
        await people.consent_changed(session, events.ConsentChanged.model_validate(envelope.data), envelope)

    return {
        events.TRIGGER_RAISED: raised,
        events.TRIGGER_CLEARED: cleared,
        events.CONTACT_MERGED: merged,
        events.CONTACT_SEPARATED: separated,
        events.CONSENT_CHANGED: consent,
    }
