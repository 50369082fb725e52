"""Undoing a merge: both people are made again from what was kept of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from common.clock import Clock
from common.problems import Problem, not_found
from common.tokens import Principal
from contact import events, repository, separations
from contact.domain.people import Identity
from contact.domain.person import Person
from contact.domain.separation import Branch, NotMergedError, below, branch_of
from contact.keeping import Side, Sides, identifiers_of
from contact.service import Directory


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge that is part of a contact, and what hangs on it."""

    losing: str
    reason: str
    at: datetime
    identifiers: Mapping[str, list[str]]
    lines: int


class Separations:
    """Takes people apart who were one by mistake."""

    def __init__(self, clock: Clock, directory: Directory) -> None:
        self._clock = clock
        self._directory = directory

    async def separate(
        self, session: AsyncSession, contact: str, losing: str, reason: str | None, caller: Principal
    ) -> tuple[Person, Person]:
        """Undoes the merge of `losing` into this contact. Returns the survivor and the other as they are now.

        Raises Problem 404 where there is no such contact or merge, 409 for one that cannot be undone.
        """
        held = await repository.hold(session, contact)
        if held is None:
            raise not_found("contact")
        known = await separations.identities(session, held.id)
        branch = await _branch(session, known, held, losing)
        kept, lost = await _sides(session, Sides(held, losing, known, branch.keys))
        words = ": ".join(filter(None, (f"separated by {caller.name}", " ".join((reason or "").split()))))
        await _write(session, kept, lost, branch)
        now = self._clock.now()
        await separations.keep_apart(session, losing, held.id, known.keys(), words, now)
        told = events.Separation(
            await separations.next_number(session),
            held,
            kept.person,
            lost.person,
            identifiers_of(known, branch.keys),
            branch,
            await separations.last_orders(session, (held.id, losing)),
            words,
        )
        await self._directory.tell(session, events.separated(told, now))
        return kept.person, lost.person

    async def merges(self, session: AsyncSession, contact: str) -> list[Merged]:
        """The merges that made this contact and can be undone, the newest first."""
        known = await separations.identities(session, contact)
        at, counts = await separations.merged_at(session, contact), await separations.counts(session, contact)
        found = []
        for key, moment in at.items():
            keys = below(known, contact, key)
            lines = sum(counts.get(each, 0) for each in keys)
            found.append(Merged(key, known[key].reason or "", moment, identifiers_of(known, keys), lines))
        return sorted(found, key=lambda merge: (merge.at, merge.losing), reverse=True)


async def _branch(session: AsyncSession, known: Mapping[str, Identity], held: Person, losing: str) -> Branch:
    if losing not in known:
        if await separations.decided(session, held.id, losing):
            raise Problem(409, "These are two people already.")
        raise Problem(404, "Nobody of that key was merged into this contact.")
    try:
        return branch_of(known, held.id, losing)
    except NotMergedError as error:
        raise Problem(409, str(error)) from error


async def _sides(session: AsyncSession, sides: Sides) -> tuple[Side, Side]:
    """Both people, made again from the lines of their one timeline."""
    for key, person in (await separations.brought(session, sides.known.keys())).items():
        sides.begin(key, person)
    async for line in separations.lines(session, sides.held.id):
        sides.hear(line)
    return sides.both()


async def _write(session: AsyncSession, kept: Side, lost: Side, branch: Branch) -> None:
    await repository.save(session, kept.person)
    await repository.save(session, lost.person)
    await separations.give_back(session, kept.person.id, lost.person.id, branch.keys)
    await separations.retell(session, lost.person.id, branch.retold)
    await separations.set_conflicts(session, kept.person.id, kept.named - kept.keys, lost.named - kept.named)
    await separations.set_conflicts(session, lost.person.id, lost.named - lost.keys, ())
