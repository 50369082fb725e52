"""From a POST to the alert on a screen, with everything running: an open loop of a shop's day.

The whole system is started with data of its own. Customers with eight orders like clockwork are imported; each of
the surprised gives one order far from the usual. Timed from the moment that was planned for the request.

    .venv/bin/python -m benchmarks.latency [--seconds 120] [--rate 500]
"""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from multiprocessing import get_context
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks import report, servers
from benchmarks.cpu import Meter
from benchmarks.histogram import Histogram
from benchmarks.openloop import Answers, fire
from benchmarks.rows import Row, percentile
from benchmarks.screen import Screen, watching
from benchmarks.shop import Access, Day, earlier_tickets, history, key_of, surprised
from heed.platform.install import install
from heed.platform.stack import Stack
from heed.platform.testing import own_stack
from heed.provision import provision

RATE, SECONDS, WARM_UP = 500, 120, 10
P50_MS, P99_MS, SAMPLES = 150, 500, 500
_BATCH = 500
_GET_READY_SECONDS = 3.0  # for the process that sends, on top of what making the requests takes
_MADE_PER_SECOND = 8_000
_LAST_ALERTS_SECONDS = 20.0
_QUIET_PATIENCE_SECONDS = 300.0
_LAG_OF_TICKS = 50  # ticks come each second, so lag is never steadily nothing
_SERVICES = ("lead_capture", "contact", "campaign", "sales", "ticketing", "analytics")


@dataclass(frozen=True)
class Run:
    """What one run gave. `cpu` in seconds by process."""

    day: Day
    opens: float
    answers: Answers
    screen: Screen
    cpu: Mapping[str, float]
    freshness: Histogram


def run(rate: int = RATE, seconds: int = SECONDS, warm_up: int = WARM_UP) -> list[Row]:
    """Start everything, import the history, send a day, wait for its alerts."""
    install(lambda _: None)
    day = Day(rate, seconds, warm_up, datetime.now(UTC))
    with servers.directory() as home, own_stack(home / "heed") as stack, _sender() as sender:
        access = _access(stack)
        prepare(stack, access, day)
        return rows(asyncio.run(_measure(stack, access, day, sender)))


def rows(done: Run) -> list[Row]:
    """The figures of a run."""
    expected = [key_of(surprised(n)) for n in range(done.day.surprises)]
    planned = {customer: (100 * n + 50) / done.day.rate for n, customer in enumerate(expected)}
    shown = {c: done.screen.arrived[c] - done.opens - planned[c] for c in expected if c in done.screen.arrived}
    made = [(done.screen.created[c] - done.day.opens).total_seconds() - planned[c] for c in expected if c in shown]
    # An alert that never came is the slowest of all.
    waits = [*shown.values(), *[float("inf")] * (len(expected) - len(shown))]
    others = len(done.screen.arrived) - len(shown)
    return [
        Row.at_most("POST to alert on screen, p50", percentile(waits, 0.5) * 1e3, "ms", P50_MS),
        Row("POST to alert on screen, p95", percentile(waits, 0.95) * 1e3, "ms"),
        Row.at_most("POST to alert on screen, p99", percentile(waits, 0.99) * 1e3, "ms", P99_MS),
        Row("POST to alert on screen, slowest", percentile(waits, 1.0) * 1e3, "ms"),
        Row.at_least("alerts that arrived", len(shown), "samples", SAMPLES),
        Row.at_most("alerts that never came", len(expected) - len(shown), "", 0),
        Row("alerts of other customers", others, ""),
        *_sending(done),
        Row("accepted to trigger on the bus, p50, at most", done.freshness.bound(0.5) * 1e3, "ms"),
        Row("accepted to trigger on the bus, p99, at most", done.freshness.bound(0.99) * 1e3, "ms"),
        Row("alert made by sales, p50", percentile(made, 0.5) * 1e3, "ms"),
        Row("alert made by sales, p99", percentile(made, 0.99) * 1e3, "ms"),
        *(Row(f"processor: {name}", 100 * spent / done.day.seconds, "% of a core") for name, spent in done.cpu.items()),
    ]


def _sending(done: Run) -> list[Row]:
    answers = done.answers
    accepted = sum(count for status, count in answers.statuses.items() if 200 <= status < 300)
    failed = sum(answers.statuses.values()) - accepted + answers.unanswered
    return [
        Row.at_least("events accepted", accepted / done.day.seconds, "per second", 0.999 * done.day.rate),
        Row.at_most("events refused, lost or unanswered", failed, "", 0),
        Row("requests sent later than planned, p99", percentile(answers.late, 0.99) * 1e3, "ms"),
        Row("POST to its answer, p50", percentile(answers.latencies, 0.5) * 1e3, "ms"),
        Row("POST to its answer, p99", percentile(answers.latencies, 0.99) * 1e3, "ms"),
    ]


@dataclass(frozen=True)
class Sender:
    """The process that sends."""

    pool: ProcessPoolExecutor
    pid: int


@contextmanager
def _sender() -> Iterator[Sender]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield Sender(pool, pool.submit(os.getpid).result())


def _access(stack: Stack) -> Access:
    given = provision(stack, stack.url("console"))
    ports = [urlsplit(stack.url(service)).port or 80 for service in ("lead_capture", "ticketing")]
    return Access(ports[0], ports[1], given.write_key, given.server_key, given.api_token)


def prepare(stack: Stack, access: Access, day: Day) -> None:
    """The customers' past; returns when all of it has settled."""
    _import(stack, access, day)
    _wait_quiet(stack)
    asyncio.run(_open_tickets(stack, access, day))
    _wait_quiet(stack)


async def _open_tickets(stack: Stack, access: Access, day: Day) -> None:
    headers, limits = {"Authorization": f"Bearer {access.api_token}"}, httpx.Limits(max_connections=8)
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=60, trust_env=False) as client:
        url = f"{stack.url('ticketing')}/v1/tickets"
        answers = await asyncio.gather(*(client.post(url, json=body) for body in earlier_tickets(day)))
    for answer in answers:
        answer.raise_for_status()


def _import(stack: Stack, access: Access, day: Day) -> None:
    """Post the customers' history as a backfill."""
    url, events = stack.url("lead_capture"), history(day)
    with httpx.Client(base_url=url, auth=(access.server_key, ""), timeout=60, trust_env=False) as client:
        begun: dict[str, Any] = client.post("/v1/imports", json={}).raise_for_status().json()
        while batch := list(islice(events, _BATCH)):
            headers = {"Heed-Import": begun["id"]}
            client.post("/v1/batch", json={"batch": batch}, headers=headers).raise_for_status()
        client.post(f"/v1/imports/{begun['id']}/end", json={}).raise_for_status()


def _wait_quiet(stack: Stack) -> None:
    """Until nobody has anything of the import left to do. Outboxes are counted every five seconds only."""
    until, quiet_since = time.monotonic() + _QUIET_PATIENCE_SECONDS, time.monotonic()
    while time.monotonic() - quiet_since < 6:
        if time.monotonic() > until:
            raise RuntimeError("the import does not come to an end")
        if _waiting(stack) > _LAG_OF_TICKS:
            quiet_since = time.monotonic()
        time.sleep(0.5)


def _waiting(stack: Stack) -> float:
    """Records and outbox rows that no service has got to yet."""
    names = ("heed_outbox_rows", "heed_consumer_lag_records", "heed_analytics_lag_records")
    pages = [httpx.get(f"{stack.url(service)}/metrics", trust_env=False).text for service in _SERVICES]
    lines = [line for page in pages for line in page.splitlines() if line.startswith(names)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def _measure(stack: Stack, access: Access, day: Day, sender: Sender) -> Run:
    ahead = _GET_READY_SECONDS + day.rate * (day.warm_up + day.seconds) / _MADE_PER_SECOND + day.warm_up
    now, wall = time.monotonic(), datetime.now(UTC)
    opens, day = now + ahead, replace(day, opens=datetime.fromtimestamp(wall.timestamp() + ahead, UTC))
    loop = asyncio.get_running_loop()
    async with watching(stack.url("sales"), access.api_token) as screen:
        firing = loop.run_in_executor(sender.pool, fire, day, access, opens)
        await asyncio.sleep(opens - time.monotonic())
        before = await _freshness(stack)
        meter, own = Meter(_processes(stack, sender)), time.process_time()
        await asyncio.sleep(day.seconds)
        cpu = {**meter.spent(), "screen": time.process_time() - own}
        answers = await firing
        with suppress(TimeoutError):
            everybody = {key_of(surprised(n)) for n in range(day.surprises)}
            await asyncio.wait_for(screen.shows(everybody), _LAST_ALERTS_SECONDS)
    return Run(day, opens, answers, screen, cpu, (await _freshness(stack)).since(before))


async def _freshness(stack: Stack) -> Histogram:
    async with httpx.AsyncClient(trust_env=False) as client:
        page = await client.get(f"{stack.url('analytics')}/metrics")
    return Histogram.read(page.text, "heed_decision_freshness_seconds")


def _processes(stack: Stack, sender: Sender) -> dict[str, int]:
    return {name: stack.pid(name) for name in stack.supervisor.children()} | {"load generator": sender.pid}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--rate", type=int, default=RATE, help="events a second")
    parser.add_argument("--warm-up", type=int, default=WARM_UP, help="seconds before the measurement")
    given = parser.parse_args()
    report.show("latency", run(given.rate, given.seconds, given.warm_up))


if __name__ == "__main__":
    main()
