"""What the system did, read over its public APIs and from the mail sink; held against the ledger."""

import email
import email.policy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.ledger import HISTORY_ORDERS, Outcome, Plan, email_of


class Effects:
    """Reads everything anew at each call."""

    def __init__(self, urls: dict[str, str], token: str, maildir: Path) -> None:
        self._urls, self._maildir = urls, maildir
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)

    def people(self) -> dict[str, str]:
        """E-mail → customer key."""
        return {c["email"]: c["id"] for c in self._all("contact", "/v1/contacts") if c["email"]}

    def timeline(self, key: str) -> list[dict[str, Any]]:
        return list(self._all("contact", f"/v1/contacts/{key}/timeline"))

    def customer(self, key: str) -> dict[str, Any]:
        answer = self._client.get(f"{self._urls['analytics']}/v1/customers/{key}").raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def triggers(self) -> list[dict[str, Any]]:
        return list(self._all("analytics", "/v1/triggers", status="all"))

    def alerts(self) -> list[dict[str, Any]]:
        return list(self._all("sales", "/v1/alerts", status="all"))

    def messages(self) -> list[dict[str, Any]]:
        return list(self._all("campaign", "/v1/messages"))

    def mails(self) -> Counter[tuple[str, str]]:
        """(to, subject) → how often it arrived."""
        found: Counter[tuple[str, str]] = Counter()
        for path in sorted((self._maildir / "new").glob("*")):
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            found[str(message["To"]), str(message["Subject"])] += 1
        return found

    def waiting(self) -> dict[str, float]:
        """Outbox rows and lag by service; empty when all is quiet."""
        found: dict[str, float] = {}
        for service, url in self._urls.items():
            for line in self._client.get(f"{url}/metrics").text.splitlines():
                name, _, value = line.rpartition(" ")
                if name.startswith(("heed_outbox_rows", "heed_consumer_lag_records", "heed_analytics_lag_records")):
                    found[f"{service} {name}"] = float(value)
        return {name: value for name, value in found.items() if value}

    def _all(self, service: str, path: str, **params: str) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            query = {"limit": "200", **params, **({"cursor": cursor} if cursor else {})}
            page = self._client.get(f"{self._urls[service]}{path}", params=query).raise_for_status().json()
            yield from page["items"]
            cursor = page["next"]
            if not cursor:
                return


def differences(plan: Plan, effects: Effects) -> list[str]:
    """Everything that is not as the ledger says it must be; empty when all holds."""
    try:
        people = effects.people()
        return [
            *_timelines(plan, effects, people),
            *_profiles(plan, effects, people),
            *_alerts(plan, effects, people),
            *silences(plan, effects),
            *_mails(effects),
            *(f"{name} = {value:g}" for name, value in effects.waiting().items()),
        ]
    except (httpx.HTTPError, KeyError) as error:
        return [f"cannot be read yet: {error!r}"]


def _timelines(plan: Plan, effects: Effects, people: dict[str, str]) -> Iterator[str]:
    acknowledged: dict[int, Counter[str]] = {c: Counter() for c in plan.usual | plan.surprised}
    refused = {post.mark for post in plan.posts if post.outcome is Outcome.REFUSED}
    unsure = {post.mark for post in plan.posts if post.outcome is Outcome.AMBIGUOUS}
    for post in plan.posts:
        if post.outcome is Outcome.ACKNOWLEDGED:
            acknowledged[post.customer][post.mark] += 1
    for customer, expected in acknowledged.items():
        seen = Counter(_mark(entry) for entry in effects.timeline(people[email_of(customer)]))
        del seen[""]
        for mark in refused & seen.keys():
            yield f"{mark} was refused and is on the timeline of {customer}"
        counted = Counter({m: n for m, n in seen.items() if not m.startswith("history-") and m not in unsure})
        if counted != expected:
            yield f"timeline of {customer}: missing {expected - counted}, too many {counted - expected}"
        if sum(m.startswith("history-") for m in seen.elements()) != HISTORY_ORDERS:
            yield f"timeline of {customer}: history is not there once"


def _mark(entry: dict[str, Any]) -> str:
    """The ledger's own name of a fact; empty for what others say about the customer."""
    data = entry.get("data") or {}
    if entry["kind"] == "order":
        return str(data.get("order_id", ""))
    return str(data.get("name") or "") if entry["kind"] == "touchpoint" else ""


def _profiles(plan: Plan, effects: Effects, people: dict[str, str]) -> Iterator[str]:
    for customer in plan.usual | plan.surprised:
        live = [
            post
            for post in plan.posts
            if post.customer == customer and post.outcome is Outcome.ACKNOWLEDGED and post.path == "/v1/orders"
        ]
        found = effects.customer(people[email_of(customer)])
        if found["orders"] != HISTORY_ORDERS + len(live):
            yield f"profile of {customer}: {found['orders']} orders, {HISTORY_ORDERS + len(live)} were acknowledged"
        cents = sum(round(float(post.body["total"]) * 100) for post in live)
        cents += sum(round(40.0 * (0.97 + 0.01 * (i % 7)) * 100) for i in range(HISTORY_ORDERS))
        if abs(float(found["spend"][0]["amount"]) * 100 - cents) > 0.5:
            yield f"profile of {customer}: spent {found['spend']}, {cents / 100:.2f} was acknowledged"


def _alerts(plan: Plan, effects: Effects, people: dict[str, str]) -> Iterator[str]:
    triggers, alerts = effects.triggers(), effects.alerts()
    per_trigger = Counter(alert["trigger_id"] for alert in alerts)
    if per_trigger != Counter(trigger["trigger"] for trigger in triggers):
        yield f"{len(triggers)} triggers, {len(alerts)} alerts, not one to one"
    spend = Counter(a["customer"]["id"] for a in alerts if a["kind"] == "spend_deviation")
    if spend != Counter(people[email_of(customer)] for customer in plan.surprised):
        yield f"{len(plan.surprised)} surprises, spend alerts for {len(spend)} customers ({sum(spend.values())} in all)"


def silences(plan: Plan, effects: Effects) -> Iterator[str]:
    """Who fell silent and was not missed, or more than once."""
    try:
        alerts, people = effects.alerts(), effects.people()
    except httpx.HTTPError as error:
        yield f"cannot be read yet: {error!r}"
        return
    silent = Counter(a["customer"]["id"] for a in alerts if a["kind"] == "purchase_silence")
    if silent != Counter(people[email_of(customer)] for customer in plan.quiet):
        yield f"{len(plan.quiet)} fell silent, silence alerts for {len(silent)} ({sum(silent.values())} in all)"


def _mails(effects: Effects) -> Iterator[str]:
    messages = Counter(message["status"] for message in effects.messages())
    unfinished = {status: messages[status] for status in ("queued", "sending") if messages[status]}
    if unfinished:
        yield f"mails under way: {unfinished}"
    for mail, count in effects.mails().items():
        if count > 1:
            yield f"{mail} was delivered {count} times"
