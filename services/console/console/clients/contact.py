"""The contact service: people and their timelines."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import Field

from console.clients.base import Answer, Upstream

LOOKUP_LIMIT = 200


class Contact(Answer):
    id: str
    label: str | None = None  # what to call somebody, also where no name is known
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    company: str | None = None
    consent: dict[str, bool | None] | None = None
    created_at: datetime | None = None
    last_seen_at: datetime | None = None
    identifiers: dict[str, list[str]] = Field(default_factory=dict)
    traits: dict[str, Any] = Field(default_factory=dict)
    first_source: str | None = None

    @property
    def title(self) -> str:
        return self.label or self.name or self.email or self.phone or "Unknown visitor"


class ContactPage(Answer):
    items: list[Contact]
    next: str | None = None


class Entry(Answer):
    """One line of a timeline."""

    id: str
    type: str = ""
    kind: str
    time: datetime
    title: str
    detail: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    backfill: bool = False

    @property
    def trigger(self) -> str | None:
        """The trigger it tells of, where it does."""
        found = self.data.get("trigger") if self.kind == "trigger" else None
        return found if isinstance(found, str) else None


class Timeline(Answer):
    items: list[Entry]
    next: str | None = None


class Named(Answer):
    label: str | None = None
    name: str | None = None
    email: str | None = None


class Names(Answer):
    items: dict[str, Named]


class ContactClient(Upstream):
    label = "Contact"

    async def contacts(self, query: str | None, cursor: str | None = None) -> ContactPage:
        return await self._get("/v1/contacts", ContactPage, q=query or None, cursor=cursor)

    async def contact(self, contact_id: str) -> Contact:
        return await self._get(f"/v1/contacts/{contact_id}", Contact)

    async def timeline(
        self, contact_id: str, kind: str | None = None, cursor: str | None = None, limit: int = 40
    ) -> Timeline:
        path = f"/v1/contacts/{contact_id}/timeline"
        return await self._get(path, Timeline, kind=kind, cursor=cursor, limit=limit)

    async def names(self, ids: Iterable[str]) -> dict[str, str]:
        """What to call these customers; those nobody knows are left out."""
        wanted = sorted(set(ids))[:LOOKUP_LIMIT]
        if not wanted:
            return {}
        found = await self._get("/v1/contacts/lookup", Names, ids=",".join(wanted))
        said = {key: named.label or named.name or named.email for key, named in found.items.items()}
        return {key: name for key, name in said.items() if name}
