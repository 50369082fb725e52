"""A message reaches a final status: the row, the fact and the count, together."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from campaign import events, metrics
from campaign.domain import Status
from campaign.models import EnrolmentRow, MessageRow
from common.outbox import emit


async def settle(
    session: AsyncSession,
    topic: str,
    message: MessageRow,
    row: EnrolmentRow,
    status: Status,
    now: datetime,
    reason: str | None = None,
) -> None:
    """`reason` is said for every status but sent. The caller holds the customer and tells the journey."""
    message.status, message.reason, message.owner = status, reason, None
    if status is Status.SENT:
        message.sent_at = now
    more: dict[str, Any] = {"reason": reason} if reason else {}
    await emit(session, topic, [events.of_message(message, row, events.SETTLED[status], now, **more)])
    metrics.MESSAGES.labels(message.journey, message.step, status).inc()
