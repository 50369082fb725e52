"""What capture states, before it becomes a record of the bus."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uuid_utils import UUID

LEAD_CAPTURED = "heed.lead.captured.v1"
TOUCHPOINT_CAPTURED = "heed.touchpoint.captured.v1"
ORDER_PLACED = "heed.order.placed.v1"
ORDER_RETURNED = "heed.order.returned.v1"


@dataclass(slots=True)
class Captured:
    """One fact as the rules made it of what was posted; `data` holds the identifiers."""

    type: str
    id: str
    time: datetime
    data: dict[str, Any]

    @property
    def identifiers(self) -> Mapping[str, str]:
        return self.data["identifiers"]  # type: ignore[no-any-return]


@dataclass(slots=True)
class Intake:
    """What all events of one request share. `history` is true for an import: its times are taken as they are."""

    source: str
    namespace: UUID
    region: str
    currency: str
    received: datetime
    sent: datetime | None = None
    history: bool = False


def without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    """Optional fields are absent, not null."""
    return {name: value for name, value in data.items() if value is not None}
