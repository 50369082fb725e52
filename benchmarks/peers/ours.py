"""Heed's runtime: Kafka → alerts, then state and offsets in PostgreSQL, exactly once, to the last commit.

`python -m benchmarks.peers.ours BOOTSTRAP TOPIC ALERTS_TOPIC DATABASE_URL`
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterable
from typing import cast

import asyncpg
import orjson
import uvloop

from analytics.customers import Changes, Stored
from analytics.events import Event, What, emission, stable_id
from analytics.runtime import Runtime
from analytics.task import Topics
from benchmarks.peers import workload as w
from common.bus import KafkaPublisher
from common.database import Database
from common.deadletters import DeadLetters
from common.envelope import Envelope
from common.record import Record


class PeerFold:
    """The workload's `step` as a fold."""

    def __init__(self, partition: int, state: bytes | None, quiet_until: int) -> None:
        del partition, state, quiet_until
        self._model = w.model()
        self._states: dict[str, w.State] = {}
        self._dirty: set[str] = set()
        self._alerts: list[Envelope] = []
        self.alerts = 0

    @property
    def noticed(self) -> bool:
        return False

    @property
    def urgent(self) -> bool:
        return False

    def load(self, customers: Iterable[Stored]) -> None:
        self._states |= {customer: orjson.loads(packed) for customer, packed, _ in customers}

    def apply(self, event: Event) -> None:
        assert event.customer
        self._states[event.customer], alert = w.step(self._states.get(event.customer), event.data, self._model)
        self._dirty.add(event.customer)
        if alert is not None:
            self.alerts += 1
            data = {**alert, "kind": "alert", "customer": event.customer}
            id_ = stable_id(event.customer, event.time)
            self._alerts.append(emission("heed.alert.raised.v1", "", data, event, event.time, id_))

    def take_triggers(self) -> list[Envelope]:
        alerts, self._alerts = self._alerts, []
        return alerts

    def take_changes(self) -> Changes:
        changes = Changes(profiles={c: orjson.dumps(self._states[c]) for c in self._dirty})
        self._dirty = set()
        return changes

    def state(self) -> bytes:
        return b""

    def passes_on(self, event: Event) -> bool:
        del event
        return False

    def __len__(self) -> int:
        return len(self._states)


class Decoder:
    """The workload's records carry no id: as for the others, their offset is all they are known by. Notes when the
    first one came.
    """

    def __init__(self) -> None:
        self.started = 0.0

    def __call__(self, record: Record) -> Event:
        self.started = self.started or time.perf_counter()
        data = orjson.loads(record.value or b"{}")
        return Event(What.ORDER, "", data["customer"], data["time"], data["time"], data=data)


async def main(bootstrap: str, topic: str, alerts_topic: str, url: str) -> None:
    database, publisher, decoder = Database(url), KafkaPublisher(bootstrap), Decoder()
    runtime = Runtime(
        bootstrap,
        f"ours-{time.time():.0f}",
        Topics(topic, alerts_topic, alerts_topic),
        database,
        DeadLetters(publisher, alerts_topic, "ours"),
        linger_seconds=0.3,
        new_fold=PeerFold,
        decoder=decoder,
    )
    watching = await database.connect()
    running = asyncio.create_task(runtime.run())
    last = asyncio.create_task(_last_commit(watching))
    await asyncio.wait((running, last), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        last.cancel()
        await running
    took = time.perf_counter() - decoder.started
    alerts = sum(cast(PeerFold, task.fold).alerts for task in runtime.tasks.values())
    print(f"{w.EVENTS / took:.0f} {alerts}", flush=True)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await publisher.stop()
    await database.close()


async def _last_commit(connection: asyncpg.Connection) -> None:
    # What is committed has to be asked for.
    while await connection.fetchval("SELECT coalesce(sum(next_offset), 0) FROM tasks") < w.EVENTS:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await connection.close()


if __name__ == "__main__":
    w.spare_collections()
    uvloop.run(main(*sys.argv[1:]))
