"""Facts in plain words."""

import json
from pathlib import Path
from typing import Any

import pytest

from contact.money import money
from contact.timeline import MAX_TITLE, entry
from contact.trimming import trimmed

CONTRACTS = Path(__file__).parents[2] / "contracts"

TICKET = {"ticket_id": "t", "number": 1001, "subject": "Late", "priority": "high", "status": "open", "assignee": None}
ALERT = {
    "alert_id": "a",
    "trigger_id": "t",
    "kind": "purchase_silence",
    "sentence": "Orders every 9 days; silent for 24.",
}
MESSAGE = {"message_id": "m", "journey": "win-back", "step": "first", "subject": "We miss you"}
ITEM = {"sku": "A1", "name": "Heart", "quantity": 1, "unit_price": "5.00"}
ORDER = {"order_id": "1", "currency": "GBP", "total": "42.1", "items": [ITEM, {**ITEM, "quantity": 2}]}
TOUCH: dict[str, Any] = {"properties": {}, "traits": {}}


@pytest.mark.parametrize(
    ("type_", "data", "kind", "title"),
    [
        ("order.placed", ORDER, "order", "Ordered 3 items for £42.10"),
        ("order.placed", {**ORDER, "items": []}, "order", "Ordered something for £42.10"),
        ("order.placed", {**ORDER, "items": [{**ITEM, "quantity": 0.5}]}, "order", "Ordered 0.5 items for £42.10"),
        ("order.returned", {**ORDER, "return_id": "r", "items": [ITEM]}, "return", "Returned 1 item for £42.10"),
        ("lead.captured", {"form": "contact"}, "lead", "Left their details with the contact form"),
        ("touchpoint.captured", {**TOUCH, "kind": "page", "name": "Pricing"}, "touchpoint", "Viewed Pricing"),
        ("touchpoint.captured", {**TOUCH, "kind": "page", "page_url": "https://s.x/a?b"}, "touchpoint", "Viewed /a"),
        ("touchpoint.captured", {**TOUCH, "kind": "page", "page_url": "http://[bad"}, "touchpoint", "Viewed a page"),
        ("touchpoint.captured", {**TOUCH, "kind": "track", "name": "Signed up"}, "touchpoint", "Signed up"),
        ("touchpoint.captured", {"kind": "group", "traits": {"name": "Acme"}}, "touchpoint", "Belongs to Acme"),
        ("consent.changed", {"channel": "email", "given": False}, "consent", "Wants no more e-mail"),
        ("consent.changed", {"channel": "sms", "given": True}, "consent", "Agreed to text messages"),
        ("contact.updated", {"changed": ["email", "name"]}, "contact", "Details changed: e-mail, name"),
        ("contact.merged", {"surviving": "c_b", "losing": "c_a"}, "contact", "Two records became one"),
        ("lead.created", {"lead_id": "1", "owner": {"id": "o", "name": "Sam"}}, "lead", "Became a lead of Sam"),
        ("lead.status_changed", {"lead_id": "1", "status": "qualified"}, "lead", "Lead is qualified"),
        ("alert.raised", ALERT, "alert", "Alert: Orders every 9 days; silent for 24."),
        (
            "alert.resolved",
            {**ALERT, "outcome": "false_alarm"},
            "alert",
            "Alert resolved (false alarm): Orders every 9 days; silent for 24.",
        ),
        ("ticket.opened", TICKET, "ticket", "Ticket 1001 opened: Late"),
        ("ticket.replied", {**TICKET, "author": "customer"}, "ticket", "Ticket 1001 answered by the customer: Late"),
        ("ticket.status_changed", TICKET, "ticket", "Ticket 1001 is open: Late"),
        (
            "ticket.assigned",
            {**TICKET, "assignee": {"id": "1", "name": "Kim"}},
            "ticket",
            "Ticket 1001 assigned to Kim: Late",
        ),
        (
            "ticket.escalated",
            {**TICKET, "deadline": "first_response", "due_at": "x"},
            "ticket",
            "Ticket 1001 missed its first response deadline: Late",
        ),
        ("journey.entered", {"journey": "win-back", "name": "Win back"}, "journey", "Entered journey Win back"),
        (
            "journey.ended",
            {"journey": "win-back", "outcome": "converted"},
            "journey",
            "Left journey win-back (converted)",
        ),
        ("message.sent", MESSAGE, "message", "E-mail sent: We miss you"),
        ("message.sent", {**MESSAGE, "step": 1}, "message", "E-mail sent: We miss you"),
        (
            "message.converted",
            {**MESSAGE, "order_id": "1", "total": "10", "currency": "CHF"},
            "message",
            "Ordered after an e-mail for 10.00 CHF: We miss you",
        ),
        (
            "trigger.raised",
            {"trigger": "t", "kind": "churn_risk", "sentence": "At risk."},
            "trigger",
            "Noticed: At risk.",
        ),
    ],
)
def test_a_fact_is_told_in_plain_words(type_: str, data: dict[str, Any], kind: str, title: str) -> None:
    told = entry(f"heed.{type_}.v1", data)
    assert (told.kind, told.title) == (kind, title)


@pytest.mark.parametrize("path", sorted(CONTRACTS.glob("heed.*.json")), ids=lambda path: path.stem)
def test_every_promised_example_can_be_told(path: Path) -> None:
    example = json.loads(path.read_text())["example"]
    told = entry(path.stem, example)
    assert told.title
    assert "{" not in told.title
    assert "None" not in told.title


def test_long_texts_are_cut() -> None:
    told = entry("heed.ticket.opened.v1", {**TICKET, "subject": "x" * 5_000, "text": "y" * 50_000})
    assert len(told.title) == MAX_TITLE
    assert told.detail
    assert len(told.detail) == 2_000
    assert len(told.data["subject"]) <= 300


def test_large_documents_are_trimmed() -> None:
    wide = {f"k{number}": number for number in range(1_000)}
    kept = trimmed({"wide": wide, "list": [wide] * 50, "deep": {"a": {"b": {"c": 1}}}, "none": None, "text": "x" * 999})
    assert len(kept["wide"]) == 20
    assert len(kept["list"]) == 20
    assert "none" not in kept
    assert len(kept["text"]) == 300
    assert len(json.dumps(kept)) < 20_000


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1042.1", "GBP", "£1,042.10"),
        ("42", "JPY", "42 JPY"),
        ("-3.005", "EUR", "-€3.01"),
        ("12.5", "CHF", "12.50 CHF"),
        ("many", "GBP", "many GBP"),
        ("1e999999", "GBP", "1e999999 GBP"),
    ],
)
def test_money_reads_as_people_write_it(amount: str, currency: str, text: str) -> None:
    assert money(amount, currency) == text
