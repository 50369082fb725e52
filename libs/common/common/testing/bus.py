"""A broker in memory: a publisher whose records can be read, and a consumer that feeds them to handlers.

It passes the same tests as the real publisher. It knows nothing of rebalances: for those use a real broker.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from aiokafka.partitioner import DefaultPartitioner

from common.bus import Message
from common.database import Database
from common.deadletters import DeadLetterLimit, DeadLetters
from common.envelope import Envelope, decode
from common.failures import TransientError
from common.processor import Processor, Subscription
from common.topics import TOPICS

_BATCH = 500


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record of a partition, with aiokafka's names."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class MemoryBus:
    """Topics with their partitions; a key goes to the partition that Kafka would choose.

    While `away` is true everything raises TransientError, as when the broker cannot be reached.
    """

    def __init__(self, topics: Mapping[str, int]) -> None:
        """`topics` maps names to numbers of partitions; publishing to another name fails as on Kafka."""
        self._logs: dict[str, list[list[StoredRecord]]] = {
            name: [[] for _ in range(partitions)] for name, partitions in topics.items()
        }
        self._partitioner = DefaultPartitioner()
        self.away = False

    @classmethod
    def with_prefix(cls, prefix: str = "heed") -> Self:
        """All topics of the bus, named as a service with this topic prefix names them."""
        return cls({f"{prefix}.{topic.name}": topic.partitions for topic in TOPICS})

    async def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._append(message)

    def _append(self, message: Message) -> None:
        if self.away or message.topic not in self._logs:
            raise TransientError(f"bus: away, or no topic {message.topic}")
        logs, key = self._logs[message.topic], message.key.encode() or None
        numbers = list(range(len(logs)))
        number = message.partition if message.partition is not None else self._partitioner(key, numbers, numbers)
        log = logs[number]
        log.append(StoredRecord(message.topic, number, len(log), key, message.value, tuple(message.headers)))

    def records(self, topic: str) -> list[StoredRecord]:
        """All records of a topic, partition by partition."""
        return [record for log in self._logs[topic] for record in log]

    def envelopes(self, topic: str) -> list[Envelope]:
        """The same, decoded. Raises InvalidError for a record that is no fact."""
        return [decode(record.key, record.headers, record.value) for record in self.records(topic)]

    def partitions(self, topic: str) -> Sequence[Sequence[StoredRecord]]:
        """The logs of a topic."""
        return self._logs[topic]


class MemoryConsumer:
    """Feeds a subscription from a MemoryBus through the very code that applies Kafka's records."""

    def __init__(
        self,
        bus: MemoryBus,
        subscription: Subscription,
        database: Database,
        dead_letters: DeadLetters,
        limit: DeadLetterLimit | None = None,
    ) -> None:
        self._bus, self._subscription = bus, subscription
        self._processor = Processor(subscription, database, dead_letters, limit)
        self._committed: dict[tuple[str, int], int] = defaultdict(int)

    async def drain(self) -> None:
        """Applies all that is there, in batches. Raises what the processor raises; offsets stay behind then."""
        for topic in self._subscription.topics:
            for number, log in enumerate(self._bus.partitions(topic)):
                while batch := log[self._committed[topic, number] :][:_BATCH]:
                    await self._processor.apply(batch)
                    self._committed[topic, number] += len(batch)

    def rewind(self) -> None:
        """Forgets the offsets, as after a crash before the commit: everything is delivered again."""
        self._committed.clear()
