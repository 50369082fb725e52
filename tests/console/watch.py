"""Standing queries of the invented shop: rules, what is wrong with some, what a trial would find."""

from datetime import timedelta
from typing import Any

from tests.console.shop import Json, ago, key, now

MOST = 5
KNOWN = "sum(order.total) over 7d > 3 * mean over 90d and tickets.open > 0"
READING = (
    "When the spend of the last 7 days is more than 3 times the mean 7-day spend of the 90 days before, and open "
    "tickets is more than 0."
)


def query(query_id: str, **fields: Any) -> Json:
    made = {
        "id": query_id,
        "name": "A rule",
        "rule": KNOWN,
        "reading": READING,
        "severity": "medium",
        "direction": "bad",
        "status": "starting",
        "cost": {"bytes": 612, "days": 97.0, "aggregates": 1},
        "raised": 0,
        "open": 0,
        "created_at": ago(minutes=1),
        "created_by": "u-nobody",
        "started_at": None,
        "covered_from": None,
        "ended_at": None,
    }
    return made | fields


def queries() -> list[Json]:
    running = {"status": "running", "started_at": ago(days=11), "created_at": ago(days=12)}
    return [
        query("q-0", name="Big week, and something is wrong", severity="high", raised=3, open=2, **running),
        query(
            "q-1",
            name="Asked, and never ordered",
            rule="no(order) over 21d after lead",
            reading="When there was no order for 21 days after a lead.",
            covered_from=ago(days=300),
            raised=41,
            open=17,
            **running,
        ),
        query("q-2", name="<b>Thank</b> who buys by another way", direction="good", severity="low"),
        query("q-3", name="Christmas only", status="ended", ended_at=ago(days=2), raised=9),
    ]


def check(rule: str) -> Json:
    """`opn` is the one mistake that is known of here."""
    offset = rule.find("tickets.opn")
    if offset >= 0:
        line, start = rule.count("\n", 0, offset) + 1, rule.rfind("\n", 0, offset) + 1
        place = {"line": line, "column": offset - start + 1, "offset": offset}
        error = {
            "pointer": "/rule",
            "detail": "“tickets.opn” is not known: did you mean tickets.open?",
            "position": place,
        }
        return {"ok": False, "rule": None, "reading": None, "cost": None, "errors": [error]}
    return {"ok": True, "rule": rule, "reading": READING, "cost": query("q")["cost"], "errors": []}


def dry_run(days: int) -> Json:
    items = [
        {
            "customer": key(place % 9),
            "time": ago(days=place * days / 15 + 0.2),
            "sentence": f"7-day spend £{310 - place * 7} > 3 × £{28 + place} and open tickets 1 > 0.",
        }
        for place in range(14)
    ]
    return {
        "rule": KNOWN,
        "reading": READING,
        "days": days,
        "since": (now() - timedelta(days=days)).isoformat(),
        "until": ago(minutes=0),
        "complete": True,
        "fired": 14,
        "customers": 9,
        "holding": 2,
        "items": items,
        "records": 41_200,
        "of_records": 41_200,
        "text": f"It would have fired 14 times in the last {days} days, for 9 customers.",
    }


def triggers() -> list[Json]:
    return [
        {
            "trigger": f"tr-a-{place}",
            "kind": "standing_query",
            "customer": key(place),
            "direction": "bad",
            "severity": "high",
            "sentence": f"Big week: 7-day spend £{310 - place} > 3 × £28 and open tickets 1 > 0.",
            "opened_at": ago(days=place * 2 + 0.1),
            "rule": "q-0",
            "open": place < 2,
            "cleared_at": None if place < 2 else ago(days=1),
        }
        for place in range(3)
    ]
