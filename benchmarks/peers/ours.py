"""Heed's runtime on the shared workload: Kafka → state, offsets and alerts in one PostgreSQL transaction.

`ours.py BOOTSTRAP DATABASE_URL`; prints events per second (to the commit of the last checkpoint) and alerts.
"""

import asyncio
import contextlib
import sys
import time

import orjson
import workload as w
from analytics.events import Event, What
from analytics.fold import Changes
from analytics.runtime import Runtime, Topics
from common.bus import KafkaPublisher
from common.database import Database
from common.deadletters import DeadLetters, Record
from common.envelope import Envelope, new_fact
from analytics.events import moment


class PeerFold:
    """The workload's `step` as a fold."""

    def __init__(self, partition: int, state: bytes | None) -> None:
        self._model = w.model()
        self._states: dict[str, w.State] = {}
        self._dirty: set[str] = set()
        self._alerts: list[Envelope] = []
        self.count, self.alerts = 0, 0
        del partition, state

    @property
    def urgent(self) -> bool:
        return False

    def load(self, customer: str, packed: bytes, pending: bytes | None) -> None:
        self._states[customer] = orjson.loads(packed)
        del pending

    def apply(self, event: Event) -> None:
        customer = event.customer
        self._states[customer], alert = w.step(self._states.get(customer), event.data, self._model)  # type: ignore[arg-type]
        self._dirty.add(customer)
        self.count += 1
        if alert is not None:
            self.alerts += 1
            self._alerts.append(new_fact("peer.alert", "/bench", customer, alert, time=moment(event.time)))

    def take_changes(self) -> Changes:
        changes = Changes(profiles={c: orjson.dumps(self._states[c]) for c in self._dirty}, examples=self._alerts)
        self._dirty, self._alerts = set(), []
        return changes

    def state(self) -> bytes:
        return b""

    def __len__(self) -> int:
        return len(self._states)


def decode(record: Record) -> Event:
    """The workload's records carry no envelope; their offset is their identity."""
    data = orjson.loads(record.value or b"{}")
    id_ = f"{record.partition:08x}-0000-5000-8000-{record.offset:012x}"
    return Event(What.ORDER, id_, data["customer"], data["time"], data["time"], data=data)


async def main(bootstrap: str, url: str) -> None:
    database, publisher = Database(url), KafkaPublisher(bootstrap)
    runtime = Runtime(
        bootstrap,
        f"ours-{time.time():.0f}",
        Topics(w.TOPIC, w.ALERTS, w.ALERTS),
        database,
        DeadLetters(publisher, "peer-dead-letters", "ours"),
        linger_seconds=0.3,
        new_fold=PeerFold,
        decoder=decode,
    )
    running = asyncio.create_task(runtime.run())
    started = await _first(runtime, running)
    await _last(database)
    took = time.perf_counter() - started
    alerts = sum(task.fold.alerts for task in runtime.tasks.values())  # type: ignore[attr-defined]
    print(f"{w.EVENTS / took:.0f} {alerts}", flush=True)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await publisher.stop()
    await database.close()


async def _first(runtime: Runtime, running: "asyncio.Task[None]") -> float:
    while not any(task.folded for task in runtime.tasks.values()):
        if running.done():
            await running
        await asyncio.sleep(0.001)
    return time.perf_counter()


async def _last(database: Database) -> None:
    connection = await database.connect()
    while await connection.fetchval("SELECT coalesce(sum(next_offset), 0) FROM tasks") < w.EVENTS:
        await asyncio.sleep(0.02)
    await connection.close()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1], sys.argv[2]))
