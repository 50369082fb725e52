"""Use cases: load, decide, write rows, emit. The edge that calls them commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from common.clock import Clock
from common.envelope import Envelope
from common.outbox import emit
from common.problems import not_found
from common.tokens import Principal
from contact import events, keeping, reading, repository, timeline
from contact.domain.person import Fact, Person


class Directory:
    """Everybody the business knows, and what happened with them."""

    def __init__(self, clock: Clock, facts_topic: str, identities_topic: str) -> None:
        self._clock = clock
        self._facts, self._identities = facts_topic, identities_topic

    async def take(self, session: AsyncSession, envelopes: Sequence[Envelope]) -> None:
        """A batch of facts: who they are about, their lines on the timeline, and what others have to hear."""
        about = [envelope for envelope in envelopes if reading.about_customer(envelope)]
        facts = [reading.fact(envelope) for envelope in about]
        entries = [timeline.entry(envelope.type, envelope.data) for envelope in about]
        people = await repository.load(session, {key for fact in facts for key in _keys(fact)})
        said: list[Envelope] = []
        contacts: list[str] = []
        for envelope, fact in zip(about, facts, strict=True):
            outcome = people.apply(fact)
            contacts.append(outcome.person.id)
            said += events.news(envelope, outcome)
        rows = [
            _row(envelope, fact, entry, people.current(contact))
            for envelope, fact, entry, contact in zip(about, facts, entries, contacts, strict=True)
        ]
        await repository.store(session, people, rows)
        await self.tell(session, said)

    async def set_consent(
        self, session: AsyncSession, contact: str, channel: str, given: bool, caller: Principal
    ) -> Person:
        """What a customer told somebody here. Raises Problem 404."""
        person = await repository.hold(session, contact)
        if person is None:
            raise not_found("contact")
        now = self._clock.now()
        if person.hear(Fact(person.id, now, consent={channel: given})):
            await repository.save(session, person)
            said = events.consent_changed(person, channel, given, f"changed by {caller.name}", now)
            await self.tell(session, said)
        return person

    async def tell(self, session: AsyncSession, said: Sequence[Envelope]) -> None:
        """Everybody; and once more, on a topic of its own, what changes whose an identifier is."""
        await emit(session, self._facts, said)
        await emit(session, self._identities, [envelope for envelope in said if events.about_identity(envelope)])


def _keys(fact: Fact) -> list[str]:
    return [fact.key, *(identifier.key for identifier in fact.identifiers), *fact.aliases]


def _row(envelope: Envelope, fact: Fact, entry: timeline.Entry, contact: str) -> dict[str, Any]:
    return {
        "id": envelope.id,
        "contact_id": contact,
        "type": envelope.type,
        "kind": entry.kind,
        "time": envelope.time,
        "title": entry.title,
        "detail": entry.detail,
        "data": entry.data,
        "backfill": envelope.backfill is not None,
        "captured_as": fact.own,
        "said": keeping.said(fact),
    }
