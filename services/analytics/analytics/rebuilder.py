"""Folds customers of a running task again, from the log that it follows."""

import asyncio
import time

import structlog
from aiokafka.errors import KafkaError

from analytics import metrics
from analytics.events import Event
from analytics.fold import Fold
from analytics.rebuilding import Decoder, Log, rebuild
from analytics.seen import SeenIds
from analytics.separating import Rebuilt
from common.database import Database

log = structlog.get_logger()

_AGAIN_SECONDS = 1.0
_LOOK_UP = 10_000


class Rebuilder:
    """Waits while the bus is away: the record that asks for it is not folded before."""

    def __init__(self, stored: Log, database: Database, decoder: Decoder) -> None:
        self._stored, self._seen, self._decode = stored, SeenIds(database), decoder

    async def rebuild(self, fold: Fold, event: Event) -> dict[str, bool]:
        """Puts the customer of this record in place. Returns the ids that count for them by now and that no checkpoint
        has written, with whether each is an order.
        """
        started = time.perf_counter()
        found = await self._found(fold, event)
        fold.rebuilt(event, found)
        seconds = time.perf_counter() - started
        metrics.REBUILT.observe(seconds)
        log.info("customer folded again", customer=event.customer, records=found.records, seconds=round(seconds, 3))
        ids = list(found.ids)
        for at in range(0, len(ids), _LOOK_UP):
            for partition, id_ in await self._seen.among(ids[at : at + _LOOK_UP]):
                if partition == event.partition:
                    del found.ids[id_]
        return found.ids

    async def _found(self, fold: Fold, event: Event) -> Rebuilt:
        while True:
            try:
                return await rebuild(self._stored, fold, event, self._decode)
            except (KafkaError, OSError) as error:
                log.warning("folding again put off", error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)

    async def close(self) -> None:
        await self._seen.close()
