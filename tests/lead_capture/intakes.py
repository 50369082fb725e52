"""What all events of one request share, in tests of the rules."""

from datetime import UTC, datetime

from lead_capture.domain import namespace_of
from lead_capture.domain.captured import Intake

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def intake(**changes: object) -> Intake:
    given = {"source": "shop", "namespace": namespace_of("shop"), "region": "GB", "currency": "USD", "received": NOW}
    return Intake(**{**given, **changes})  # type: ignore[arg-type]
