"""The campaign service: journeys and their mail."""

from datetime import datetime

from pydantic import Field

from console.clients.base import Answer, Upstream


class JourneyStep(Answer):
    id: str
    kind: str
    title: str
    entered: int = 0
    sent: int = 0
    opened: int = 0
    clicked: int = 0
    converted: int = 0
    suppressed: int = 0
    failed: int = 0
    unknown: int = 0


class Journey(Answer):
    slug: str
    name: str
    trigger_kinds: list[str] = Field(default_factory=list)
    active: bool = True
    steps: list[JourneyStep] = Field(default_factory=list)
    enrolled: int = 0
    ended: dict[str, int] = Field(default_factory=dict)


class Journeys(Answer):
    items: list[Journey]


class Message(Answer):
    id: str
    contact: str
    journey: str | None = None
    step: str | None = None
    to: str | None = None
    subject: str | None = None
    status: str
    created_at: datetime | None = None
    sent_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    converted_at: datetime | None = None


class MessagePage(Answer):
    items: list[Message]
    next: str | None = None


class CampaignClient(Upstream):
    label = "Campaign"

    async def journeys(self) -> Journeys:
        return await self._get("/v1/journeys", Journeys)

    async def messages(self, contact: str | None = None, limit: int = 20) -> MessagePage:
        return await self._get("/v1/messages", MessagePage, contact=contact, limit=limit)
