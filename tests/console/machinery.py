"""What runs by itself in the invented shop: journeys and their mail, partitions."""

from tests.console.shop import Json, ago, key


def journeys() -> list[Json]:
    def step(name: str, kind: str, title: str, *counts: int) -> Json:
        names = ("entered", "sent", "opened", "clicked", "converted", "suppressed", "failed", "unknown")
        filled = (*counts, *[0] * (8 - len(counts)))
        return {"id": name, "kind": kind, "title": title} | dict(zip(names, filled, strict=True))

    steps = [
        step("wait", "wait", "Wait one day", 412),
        step("hello", "email", "We kept your favourites", 396, 371, 188, 74, 41, 22, 2, 1),
        step("branch", "branch", "Opened or bought?", 351),
        step("offer", "email", "Ten per cent until Sunday", 163, 158, 61, 30, 17, 5),
        step("end", "end", "End", 287),
    ]
    return [
        {
            "slug": "win-back",
            "name": "Win-back",
            "trigger_kinds": ["churn_risk", "purchase_silence"],
            "active": True,
            "steps": steps,
            "enrolled": 412,
            "ended": {"converted": 58, "finished": 209, "unsubscribed": 20},
        }
    ]


def messages() -> list[Json]:
    states = ("sent", "sent", "suppressed", "unknown", "sent")
    return [
        {
            "id": f"m-{place}",
            "contact": key(place),
            "journey": "win-back",
            "step": "hello",
            "to": "a@example.com",
            "subject": "We kept your favourites",
            "status": status,
            "created_at": ago(hours=place + 1),
            "sent_at": ago(hours=place + 1) if status == "sent" else None,
            "opened_at": ago(hours=place) if place == 1 else None,
            "clicked_at": None,
            "converted_at": ago(minutes=20) if place == 0 else None,
        }
        for place, status in enumerate(states)
    ]


def partitions() -> list[Json]:
    return [
        {
            "partition": place,
            "next_offset": 41200 + place * 137,
            "lag": (0, 0, 3, 0, 12, 0, 1, 0, 0, 5, 0, 0)[place],
            "event_time": ago(seconds=3),
            "customers": 31 + place,
        }
        for place in range(12)
    ]
