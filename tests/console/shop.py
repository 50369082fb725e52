"""An invented shop: its customers, what they did and what was noticed. The same each time but for the clock."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

NAMES = (
    ("Ada Byrne", "Byrne & Daughters"),
    ("Noah Fitzgerald", None),
    ("Mei-Ling Zhou", "Harbour Tea"),
    ("Jonas Lindqvist", None),
    ("Amara Okonkwo", "Okonkwo Interiors"),
    ("Sofía Marín", None),
    ("Hugh Pemberton-Fairweather", "Pemberton Country Stores Limited"),
    ("Leila Haddad", None),
    ("Oskar Nowak", "Nowak Bikes"),
    ("Grace Whitcombe", None),
    ("Ravi Menon", "Spice Route"),
    ("<script>alert('x')</script>", None),
)
OWNERS = ({"id": "u-priya", "name": "Priya Raman"}, {"id": "u-tom", "name": "Tom Okafor"})
NOTICED = (
    (
        "purchase_silence",
        "high",
        "Orders every 9 days; silent for 24. Usually spends £42.",
        "Call and ask what changed",
    ),
    ("spend_deviation", "medium", "Spent £6.20; usually between £30 and £55.", "Ask whether the order was right"),
    ("churn_risk", "high", "Four in five like this one do not come back: two returns in a row.", "Offer a replacement"),
    (
        "support_load",
        "medium",
        "Three tickets in 5 days; usually one in two months.",
        "Read the tickets before writing",
    ),
    ("spend_deviation", "low", "Spent £310; usually between £60 and £95.", "Say thank you"),
    ("purchase_silence", "low", "Orders every 31 days; silent for 44. Usually spends £118.", "Write a short note"),
)


def now() -> datetime:
    return datetime.now(UTC)


def ago(**span: float) -> str:
    return (now() - timedelta(**span)).isoformat()


def key(place: int) -> str:
    return f"c_{place:026d}".replace("0", "a")


def orders(customer: str, count: int = 14) -> list[Json]:
    dice = random.Random(customer)
    gap, at, found = 9.0, now() - timedelta(days=24), []
    for place in range(count):
        total = 6.2 if place == 0 and customer == key(1) else dice.uniform(31, 54)
        order_id, money = f"o-{customer[-2:]}-{place}", {"total": f"{total:.2f}", "currency": "GBP"}
        found.append({"id": order_id, "at": at.isoformat()} | money)
        at -= timedelta(days=gap + dice.uniform(-2, 2), minutes=dice.uniform(-300, 300))
    return found[::-1]


def alert(alert_id: str, customer: int, at: datetime, noticed: int = 0) -> Json:
    kind, severity, sentence, step = NOTICED[noticed % len(NOTICED)]
    return {
        "id": alert_id,
        "seq": 0,
        "status": "open",
        "surfaced": True,
        "kind": kind,
        "direction": "good" if step == "Say thank you" else "bad",
        "severity": severity,
        "customer": {"id": key(customer), "name": NAMES[customer][0]},
        "sentence": sentence,
        "expected": {"value": 9, "unit": "days", "text": "every 9 days"},
        "observed": {"value": 24, "unit": "days", "text": "24 days"},
        "score": 0.97,
        "reasons": [
            {"code": "gap", "text": "The longest gap before was 14 days", "weight": 0.7},
            {"code": "count", "text": "12 orders, enough to know the rhythm", "weight": 0.3},
        ],
        "recent_orders": orders(key(customer))[-8:],
        "suggested_step": {"code": "call", "text": step},
        "owner": OWNERS[customer % 2],
        "created_at": at.isoformat(),
        "due_at": (at + timedelta(hours=4)).isoformat(),
        "snoozed_until": None,
        "resolved_at": None,
        "outcome": None,
        "event_ids": [],
        "model_version": "churn-41" if kind == "churn_risk" else None,
        "trigger_id": f"tr-{alert_id}",
        "cleared_at": None,
    }


def alerts() -> list[Json]:
    spans = (2, 9, 26, 55, 95, 150, 215, 300, 410, 640, 1300, 2100)
    made = [alert(f"a-{place}", place, now() - timedelta(minutes=span), place) for place, span in enumerate(spans)]
    made[10] |= {"status": "acknowledged"}
    made[9] |= {"status": "resolved", "outcome": "recovered"}
    return [one | {"seq": len(made) - place} for place, one in enumerate(made)]


def contacts() -> list[Json]:
    return [
        {
            "id": key(place),
            "name": name,
            "email": f"{''.join(c for c in name.split()[0].lower() if c.isalpha())}@example.com",
            "phone": f"+44 20 7946 0{place:03d}",
            "company": company,
            "consent": {"email": (True, False, None)[place % 3]},
            "created_at": ago(days=200 - place),
            "last_seen_at": ago(hours=place * 7 + 1),
            "identifiers": {"email": ["a@example.com"], "loyalty_number": [f"L-{1000 + place}"]},
            "traits": {"city": "Bristol", "newsletter": "weekly"},
            "first_source": "Spring catalogue",
        }
        for place, (name, company) in enumerate(NAMES)
    ]


def timeline(customer: str) -> list[Json]:
    def entry(kind: str, title: str, detail: str | None, data: Json, **span: float) -> Json:
        made = {"id": f"{kind}-{title}-{span}", "type": f"heed.{kind}.v1", "kind": kind, "time": ago(**span)}
        return made | {"title": title, "detail": detail, "data": data, "backfill": False}

    page = {"kind": "page"}
    found = [
        entry("alert", "Alert raised", "Orders every 9 days; silent for 24.", {}, minutes=2),
        entry("trigger", "Noticed: silent for 24 days.", None, {"trigger": "tr-a-0"}, minutes=2),
        entry("touchpoint", "Viewed Returns policy", "/returns", page, hours=3),
        entry("touchpoint", "Viewed Delivery times", "/delivery", page, hours=3.1),
        entry("touchpoint", "Viewed Oolong, 250 g", "/shop/oolong", page, hours=3.2),
        entry("message", "Opened “We kept your favourites”", None, {}, hours=26),
        entry("journey", "Entered Win-back", None, {}, hours=30),
        entry("ticket", "Parcel arrived open", "Solved after 5 hours", {}, days=6),
        entry("touchpoint", "Viewed Basket", "/basket", page, days=9),
        entry("return", "Returned order 10244", "£18.40", {"total": "18.40", "currency": "GBP"}, days=20),
    ]
    placed = [
        {
            "id": order["id"],
            "type": "heed.order.placed.v1",
            "kind": "order",
            "time": order["at"],
            "title": f"Ordered for £{order['total']}",
            "detail": "Oolong, Filter papers",
            "data": {"total": order["total"], "currency": "GBP", "order_id": order["id"]},
            "backfill": True,
        }
        for order in orders(customer)
    ]
    return sorted([*found, *placed], key=lambda one: str(one["time"]), reverse=True)


def profile(customer: str) -> Json:
    placed = orders(customer)
    last = datetime.fromisoformat(placed[-1]["at"])
    silence = {
        "trigger": "tr-a-0",
        "kind": "purchase_silence",
        "customer": customer,
        "direction": "bad",
        "severity": "high",
        "sentence": NOTICED[0][2],
        "expected": {"value": 9, "unit": "days", "text": "every 9 days"},
        "observed": {"value": 24, "unit": "days", "text": "24 days"},
        "event_ids": [],
        "opened_at": ago(minutes=2),
    }
    odd = silence | {"kind": "spend_deviation", "sentence": NOTICED[1][2], "event_ids": [placed[-1]["id"]]}
    return {
        "customer": customer,
        "orders": len(placed),
        "returns": 1,
        "spend": [{"amount": "562.10", "currency": "GBP"}],
        "first_order_at": placed[0]["at"],
        "last_order_at": placed[-1]["at"],
        "mean_gap_days": 9.1,
        "usual_spend": {"amount": "42.00", "low": "30.00", "high": "55.00", "currency": "GBP"},
        "expected_next": {
            "at": (last + timedelta(days=9)).isoformat(),
            "low": (last + timedelta(days=7)).isoformat(),
            "high": (last + timedelta(days=12)).isoformat(),
        },
        "expected_value": {"amount": "43.20", "low": "31.00", "high": "58.50", "currency": "GBP"},
        "year_value": {
            "amount": "512.00",
            "low": None,
            "high": None,
            "currency": "GBP",
            "evidence": {"enough": False, "text": "4 months known; a year is needed"},
        },
        "segment": {"segment": 3, "name": "slipping regulars"},
        "rfm": {"recency": 2, "frequency": 5, "money": 4},
        "scores": [
            score("churn_risk", "Churn risk", 0.81, "alarm", "14 orders, enough", "The gap is 2.6 times the usual one"),
            score("purchase_silence", "Silence", 0.97, "alarm", "14 orders, enough", "Silent for 24 days, usually 9"),
            score("spend_deviation", "Spend", 0.12, "ok", "14 orders, enough", "The last order was as usual"),
            score("support_load", "Support load", None, "unknown", "1 ticket, not enough", None),
        ],
        "open_triggers": [odd if customer == key(1) else silence],
    }


def score(kind: str, label: str, value: float | None, level: str, evidence: str, reason: str | None) -> Json:
    return {
        "kind": kind,
        "label": label,
        "value": value,
        "level": level,
        "evidence": {"enough": value is not None, "text": evidence},
        "reasons": [{"code": "r", "text": reason, "weight": 0.6}] if reason else [],
        "computed_at": ago(minutes=2),
        "model_version": "churn-41" if kind == "churn_risk" else None,
    }


def leads() -> list[Json]:
    said = ("Could you supply us monthly from January?", "Do you ship to Ireland?", "Price list, please.", None)
    return [
        {
            "id": f"l-{place}",
            "customer": key(place),
            "name": name,
            "email": f"lead{place}@example.com",
            "phone": "+44 117 496 0999",
            "company": company,
            "message": said[place % 4],
            "source": "Website",
            "status": ("new", "working", "qualified", "disqualified")[place % 4],
            "reason": None,
            "owner": OWNERS[place % 2],
            "created_at": ago(hours=place * 3 + 0.2),
            "respond_by": ago(hours=place * 3 - 4),
            "touches": [{"at": ago(hours=place * 3), "form": "Contact us", "message": said[place % 4]}],
        }
        for place, (name, company) in enumerate(NAMES[:10])
    ]


def ticket(ticket_id: str, customer: int, subject: str, status: str = "new") -> Json:
    return {
        "id": ticket_id,
        "number": 1040 + customer,
        "customer": key(customer),
        "subject": subject,
        "status": status,
        "priority": ("normal", "high", "urgent", "low")[customer % 4],
        "channel": "web",
        "assignee": OWNERS[customer % 2] if customer % 3 else None,
        "created_at": ago(hours=customer * 5 + 1),
        "first_response_due": ago(hours=customer * 5 - 3),
        "first_response_at": None if customer % 2 else ago(hours=customer * 5),
        "resolution_due": ago(hours=customer * 5 - 20),
        "resolved_at": ago(hours=1) if status in ("solved", "closed") else None,
        "escalated": customer == 3,
        "replies": [
            reply(5, "customer", NAMES[customer][0], "The parcel arrived open and\ntwo tins are missing."),
            reply(4, "agent", "Tom Okafor", "The carrier has had three of these this week.", internal=True),
            reply(3, "agent", "Tom Okafor", "Sorry about that. A replacement left us today."),
        ],
    }


def reply(hours: float, author: str, name: str, text: str, *, internal: bool = False) -> Json:
    said = {"id": f"r-{hours}", "author": author, "name": name, "text": text}
    return said | {"internal": internal, "at": ago(hours=hours)}


def tickets() -> list[Json]:
    subjects = (
        "Parcel arrived open",
        "Invoice has the old address",
        "Charged twice",
        "Still no answer",
        "Which filter?",
    )
    states = ("open", "new", "pending", "new", "solved")
    return [ticket(f"t-{place}", place, *pair) for place, pair in enumerate(zip(subjects, states, strict=True))]
