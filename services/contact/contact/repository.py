"""Every SQL statement that changes contacts, identities and timelines. Reading for pages is in `queries`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

import orjson
from sqlalchemy import ARRAY, ColumnElement, String, any_, bindparam, literal, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from common.failures import TransientError
from contact.domain.people import Apart, Identity, Merge, People
from contact.domain.person import Person
from contact.models import ContactRow, IdentityRow

# In the order of the fields that they fill.
_NAMES = [field.name for field in fields(Person)]
_PERSON: list[Any] = [getattr(ContactRow, name) for name in _NAMES]
_IDENTITY: list[Any] = [
    IdentityRow.key,
    IdentityRow.contact_id,
    IdentityRow.kind,
    IdentityRow.value,
    IdentityRow.announced,
    IdentityRow.came_with,
    IdentityRow.merged_into,
    IdentityRow.reason,
]

# One parameter a statement, however many rows: the texts stay the same, so they are prepared once.
_WRITE_CONTACTS = text(
    """
    INSERT INTO contacts (id, name, email, phone, company, identifiers, consent, traits, stamps, first_source,
                          created_at, last_seen_at, parted, search)
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        id text, name text, email text, phone text, company text, identifiers jsonb, consent jsonb, traits jsonb,
        stamps jsonb, first_source text, created_at timestamptz, last_seen_at timestamptz, parted boolean, search text)
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, email = excluded.email, phone = excluded.phone, company = excluded.company,
        identifiers = excluded.identifiers, consent = excluded.consent, traits = excluded.traits,
        stamps = excluded.stamps, first_source = excluded.first_source, created_at = excluded.created_at,
        last_seen_at = excluded.last_seen_at, parted = excluded.parted, search = excluded.search
    """
)
_ADD_IDENTITIES = text(
    """
    INSERT INTO identities (key, contact_id, kind, value, announced, came_with, merged_into, reason, merged_at)
    SELECT r.*, CASE WHEN r.merged_into IS NOT NULL THEN now() END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        key text, contact_id text, kind text, value text, announced boolean, came_with text, merged_into text,
        reason text)
    """
)
_ALTER_IDENTITIES = text(
    """
    UPDATE identities SET kind = r.kind, value = r.value, announced = r.announced,
        came_with = coalesce(identities.came_with, r.came_with), merged_into = r.merged_into, reason = r.reason,
        merged_at = CASE WHEN r.merged_into IS NOT NULL THEN coalesce(identities.merged_at, now()) END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        key text, kind text, value text, announced boolean, came_with text, merged_into text, reason text)
    WHERE identities.key = r.key
    """
)
_ADD_ENTRIES = text(
    """
    INSERT INTO timeline (id, contact_id, type, kind, time, title, detail, data, backfill, captured_as, said)
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        id text, contact_id text, type text, kind text, time timestamptz, title text, detail text, data jsonb,
        backfill boolean, captured_as text, said jsonb)
    ON CONFLICT (id) DO NOTHING
    """
)
_ADD_CONFLICTS = text(
    """
    INSERT INTO conflicts (identity_key, contact_id)
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (identity_key text, contact_id text)
    ON CONFLICT DO NOTHING
    """
)
_MOVED = "jsonb_to_recordset(CAST(:rows AS jsonb)) AS m (losing text, surviving text, merged_into text, reason text)"
# What has no mark of whom it came with is older than these marks, and belonged to the contact that moves.
_MOVE = [
    text(statement.replace("MOVED", _MOVED))
    for statement in (
        """UPDATE identities SET contact_id = m.surviving,
               came_with = CASE WHEN key = m.losing THEN m.merged_into ELSE coalesce(came_with, m.losing) END,
               merged_into = CASE WHEN key = m.losing THEN m.merged_into ELSE identities.merged_into END,
               reason = CASE WHEN key = m.losing THEN m.reason ELSE identities.reason END,
               merged_at = CASE WHEN key = m.losing THEN now() ELSE merged_at END
           FROM MOVED WHERE contact_id = m.losing""",
        """UPDATE timeline SET contact_id = m.surviving, captured_as = coalesce(captured_as, m.losing)
           FROM MOVED WHERE contact_id = m.losing""",
        """INSERT INTO conflicts (identity_key, contact_id, noted_at)
           SELECT identity_key, m.surviving, noted_at FROM conflicts JOIN MOVED ON contact_id = m.losing
           ON CONFLICT DO NOTHING""",
        "DELETE FROM conflicts USING MOVED WHERE contact_id = m.losing",
        "DELETE FROM contacts USING MOVED WHERE id = m.losing",
    )
]
_APART = text(
    """
    SELECT one.contact_id, other.contact_id, apart.known
    FROM apart JOIN identities one ON one.key = apart.one JOIN identities other ON other.key = apart.other
    WHERE one.contact_id = ANY(:ids) AND other.contact_id = ANY(:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(String)))


async def load(session: AsyncSession, keys: Collection[str]) -> People:
    """Who these customer keys belong to, held until the transaction ends, in the order of their ids.

    Raises TransientError when that changed while this waited for them.
    """
    identities = await _identities(session, keys)
    ids = {identity.contact for identity in identities}
    persons = await _locked(session, ids)
    if len(persons) < len(ids):
        raise TransientError("a contact was merged while this batch waited for it")
    if not any(person.parted for person in persons):
        return People(persons, identities)
    if await _identities(session, keys) != identities:
        raise TransientError("a contact was taken apart while this batch waited for it")
    apart = await session.execute(_APART, {"ids": list(ids)})
    return People(persons, identities, [Apart(one, other, frozenset(known)) for one, other, known in apart])


async def _identities(session: AsyncSession, keys: Collection[str]) -> list[Identity]:
    query = select(*_IDENTITY).where(_among(IdentityRow.key, keys)).order_by(IdentityRow.key)
    return [Identity(*row) for row in await session.execute(query)]


async def hold(session: AsyncSession, contact: str) -> Person | None:
    """The person of a customer key, held until the transaction ends."""
    people = await load(session, [contact])
    return people.of(contact)


async def _locked(session: AsyncSession, ids: Collection[str]) -> list[Person]:
    query = select(*_PERSON).where(_among(ContactRow.id, ids)).order_by(ContactRow.id).with_for_update()
    return [Person(*row) for row in await session.execute(query)] if ids else []


def _among(column: Any, values: Collection[str]) -> ColumnElement[bool]:
    """As IN, with one parameter however many values."""
    return cast(ColumnElement[bool], column == any_(literal(list(values), ARRAY(String))))


async def store(session: AsyncSession, people: People, entries: Sequence[Mapping[str, Any]]) -> None:
    """Writes what a batch changed. Raises TransientError when another process was first with the same people."""
    try:
        await _write(session, people, entries)
    except IntegrityError as error:
        raise TransientError(f"another process wrote the same people: {error.orig}") from error


async def _write(session: AsyncSession, people: People, entries: Sequence[Mapping[str, Any]]) -> None:
    await _run(session, _WRITE_CONTACTS, [_contact(people.persons[id_]) for id_ in sorted(people.touched)])
    moved = [_moved(people, people.moved[losing]) for losing in sorted(people.moved)]
    for statement in _MOVE:
        await _run(session, statement, moved)
    added = [people.identities[key] for key in sorted(people.added)]
    altered = [people.identities[key] for key in sorted(people.altered - people.added)]
    await _run(session, _ADD_IDENTITIES, [_identity(people, identity) for identity in added])
    await _run(session, _ALTER_IDENTITIES, [_identity(people, identity) for identity in altered])
    await _run(session, _ADD_ENTRIES, entries)
    conflicts = sorted({(key, people.current(contact)) for key, contact in people.conflicts})
    await _run(session, _ADD_CONFLICTS, [{"identity_key": key, "contact_id": contact} for key, contact in conflicts])


async def save(session: AsyncSession, person: Person) -> None:
    await _run(session, _WRITE_CONTACTS, [_contact(person)])


def _contact(person: Person) -> dict[str, Any]:
    return {**{name: getattr(person, name) for name in _NAMES}, "search": person.search}


def _moved(people: People, merge: Merge) -> dict[str, Any]:
    """Of a chain of merges in one batch everything goes to the last survivor, and each link is kept."""
    return {
        "losing": merge.losing,
        "surviving": people.current(merge.losing),
        "merged_into": merge.surviving,
        "reason": merge.reason,
    }


def _identity(people: People, identity: Identity) -> dict[str, Any]:
    return {
        "key": identity.key,
        "contact_id": people.current(identity.contact),
        "kind": identity.kind,
        "value": identity.value,
        "announced": identity.announced,
        "came_with": identity.came_with,
        "merged_into": identity.merged_into,
        "reason": identity.reason,
    }


async def _run(session: AsyncSession, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        await session.execute(statement, {"rows": orjson.dumps(rows).decode()})
