"""What ticketing emits is what it pinned; what it takes is what others pinned."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ticketing import events
from ticketing.models import TicketRow

CONTRACTS = Path(__file__).parents[2] / "contracts"
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def _contract(type_: str) -> dict[str, Any]:
    contract: dict[str, Any] = json.loads((CONTRACTS / f"{type_}.json").read_text())
    return contract


def _ticket() -> TicketRow:
    return TicketRow(
        id="t1", number=1001, customer="c_1", subject="Late", priority="low", status="open", assignee_id=None
    )


@pytest.mark.parametrize(
    ("type_", "more"),
    [
        (events.OPENED, {"text": "Where is it?", "identifiers": {"email": "ada@example.com"}}),
        (events.REPLIED, {"author": "agent", "text": "On its way."}),
        (events.ASSIGNED, {}),
        (events.STATUS_CHANGED, {"previous": "new"}),
        (events.ESCALATED, {"deadline": "resolution", "due_at": NOW}),
    ],
)
def test_what_is_emitted_keeps_its_contract(type_: str, more: dict[str, Any]) -> None:
    contract = _contract(type_)
    validator = jsonschema.Draft202012Validator(contract["schema"], format_checker=jsonschema.FormatChecker())
    validator.validate(contract["example"])
    for assignee in (None, "u-ada"):
        row = _ticket()
        row.assignee_id, row.assignee_name = assignee, assignee
        validator.validate(json.loads(events.about(row, type_, NOW, **more).value()))


def test_a_merge_as_contact_tells_it_is_understood() -> None:
    example = _contract(events.CONTACT_MERGED)["example"]
    merged = events.ContactMerged.model_validate(example | {"something": "new"})
    assert (merged.surviving, merged.losing) == (example["surviving"], example["losing"])
