"""HTTP routes: requests in, use cases, answers out."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession

from common.application import Transaction
from common.auth import Caller, principal, require
from common.problems import Problem, not_found
from contact import queries, search
from contact.domain.person import Person, is_known, label
from contact.models import ContactRow
from contact.reading import CUSTOMER_KEY
from contact.schemas import (
    ConsentChange,
    Contact,
    ContactPage,
    ContactSummary,
    Merge,
    Merges,
    Named,
    NamesFound,
    Separate,
    Separated,
    SharedIdentifier,
    TimelineEntry,
    TimelinePage,
)
from contact.separating import Separations
from contact.service import Directory

_MAX_IDS = 200

_READS = Depends(principal)
_CHANGES = Depends(require("manager", "sales", "support", "marketing", "service"))
_SEPARATES = Depends(require("manager", "sales", "support"))
Limit = Annotated[int, Query(ge=1, le=200)]


def router(directory: Directory, separations: Separations) -> APIRouter:
    routes = APIRouter(prefix="/v1/contacts", tags=["contacts"], dependencies=[_READS])

    @routes.get("")
    async def list_contacts(
        session: Transaction,
        q: Annotated[str | None, Query(max_length=200, description="name, e-mail, phone or company")] = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> ContactPage:
        """The newest first; with `q` the best matches first."""
        if q and q.strip():
            found = await search.search(session, q, limit, cursor)
        else:
            found = await queries.newest(session, limit, cursor)
        return ContactPage(items=[ContactSummary(**_summary(row)) for row in found.items], next=found.next)

    @routes.get("/lookup")
    async def look_up(ids: str, session: Transaction) -> NamesFound:
        """Names for up to 200 comma-separated ids; ids of nobody are left out."""
        asked = {id_ for id_ in ids.split(",") if CUSTOMER_KEY.fullmatch(id_)}
        if len(asked) > _MAX_IDS:
            raise Problem(422, f"Ask for at most {_MAX_IDS} ids at once.")
        found = await queries.find_all(session, asked)
        return NamesFound(
            items={key: Named(name=row.name, email=row.email, label=label(row)) for key, row in found.items()}
        )

    @routes.get("/{contact_id}")
    async def show_contact(contact_id: str, session: Transaction) -> Contact:
        """A merged id answers with the person it became."""
        return await _contact(session, await _found(session, contact_id))

    @routes.get("/{contact_id}/timeline")
    async def show_timeline(
        contact_id: str,
        session: Transaction,
        kind: Annotated[str | None, Query(max_length=500, description="one or more, separated by commas")] = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> TimelinePage:
        """The newest first."""
        row = await _found(session, contact_id)
        kinds = {name.strip() for name in (kind or "").split(",") if name.strip()}
        found = await queries.timeline(session, row.id, kinds, limit, cursor)
        entries = [TimelineEntry.model_validate(entry, from_attributes=True) for entry in found.items]
        return TimelinePage(items=entries, next=found.next)

    @routes.patch("/{contact_id}/consent", dependencies=[_CHANGES])
    async def change_consent(
        contact_id: str, change: ConsentChange, caller: Caller, session: Transaction
    ) -> ContactSummary:
        """What a customer told somebody: they may be reached by a channel, or no longer."""
        _checked(contact_id)
        person = await directory.set_consent(session, contact_id, change.channel, change.given, caller)
        return ContactSummary(**_summary(person))

    @routes.get("/{contact_id}/merges")
    async def list_merges(contact_id: str, session: Transaction) -> Merges:
        """What was merged into this contact and can be undone, the newest first."""
        row = await _found(session, contact_id)
        found = await separations.merges(session, row.id)
        return Merges(items=[Merge.model_validate(merge) for merge in found])

    @routes.post("/{contact_id}/separate", dependencies=[_SEPARATES])
    async def separate(contact_id: str, wanted: Separate, caller: Caller, session: Transaction) -> Separated:
        """Undoes a merge: each gets back what came with it. 409 says why a merge cannot be undone."""
        _checked(contact_id)
        both = await separations.separate(session, contact_id, wanted.losing, wanted.reason, caller)
        surviving, losing = [await _contact(session, await _found(session, person.id)) for person in both]
        return Separated(surviving=surviving, losing=losing)

    return routes


def _checked(contact_id: str) -> str:
    if not CUSTOMER_KEY.fullmatch(contact_id):
        raise not_found("contact")
    return contact_id


async def _found(session: AsyncSession, contact_id: str) -> ContactRow:
    row = await queries.find(session, _checked(contact_id))
    if row is None:
        raise not_found("contact")
    return row


def _summary(person: ContactRow | Person) -> dict[str, Any]:
    plain = ("id", "name", "email", "phone", "company", "consent", "created_at", "last_seen_at")
    return {**{name: getattr(person, name) for name in plain}, "label": label(person), "known": is_known(person)}


async def _contact(session: AsyncSession, row: ContactRow) -> Contact:
    shared = await queries.shared_with(session, row.id)
    conflicts = [
        SharedIdentifier(kind=identity.kind, value=identity.value, contact=other.id, label=label(other))
        for identity, other in shared
        if identity.kind and identity.value
    ]
    return Contact(
        **_summary(row),
        identifiers={kind: values for kind, values in row.identifiers.items() if values},
        traits=row.traits,
        first_source=row.first_source,
        conflicts=conflicts,
    )
