"""What happens to a batch of records: decode, admit, handle in one transaction, set the invalid ones aside."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from common import metrics, telemetry
from common.database import Database
from common.deadletters import DeadLetterLimit, DeadLetters
from common.envelope import Envelope, decode, type_of
from common.failures import InvalidError
from common.inbox import admit
from common.record import Record

log = structlog.get_logger()

Handler = Callable[[AsyncSession, Envelope], Awaitable[None]]
BatchHandler = Callable[[AsyncSession, Sequence[Envelope]], Awaitable[None]]
Refused = list[tuple[Record, str]]


def dispatch(handlers: Mapping[str, Handler]) -> BatchHandler:
    """A batch handler that gives each envelope to the handler of its type, in order."""

    async def handle(session: AsyncSession, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            with telemetry.handling(envelope):
                await handlers[envelope.type](session, envelope)

    return handle


@dataclass(frozen=True)
class Subscription:
    """What a consumer takes: topics, the types it cares for (None: all but the `ignored`), what it does with a batch.

    `instance` names this replica, the same after a restart; two that run at once must differ. `linger_seconds` is how
    long the broker may wait until there is much to send: fewer and larger batches where a fraction of a second does
    not matter.
    """

    group: str
    topics: tuple[str, ...]
    handle: BatchHandler
    types: frozenset[str] | None = None
    instance: str | None = None
    ignored: frozenset[str] = frozenset()
    linger_seconds: float = 0.0


class Processor:
    """Applies batches, each in one transaction with its inbox rows.

    A batch may be applied again, wherever it was cut off: what was done is known by the inbox.
    """

    def __init__(
        self,
        subscription: Subscription,
        database: Database,
        dead_letters: DeadLetters,
        limit: DeadLetterLimit | None = None,
    ) -> None:
        self._subscription = subscription
        self._database = database
        self._dead_letters = dead_letters
        self._limit = limit or DeadLetterLimit()
        # Counters that begin at nothing, so that the first of a kind shows as an increase.
        metrics.DEAD_LETTERS.labels(subscription.group)
        metrics.CONSUMER_RETRIES.labels(subscription.group)

    async def apply(self, records: Sequence[Record]) -> int:
        """All records of a batch, in order. Returns how many were wanted, once every effect and dead letter is durable.

        Raises TransientError (apply the batch again later), TooManyDeadLettersError, and whatever a handler
        raises that has no name here.
        """
        wanted, refused = self._decode(records)
        try:
            await self._handle([envelope for _, envelope in wanted])
        except (InvalidError, ValidationError):
            refused += await self._by_halves(wanted)
        # The last step, so that a batch that is put back does not bury twice.
        await self._bury(records, refused)
        return len(wanted) + len(refused)

    def _decode(self, records: Sequence[Record]) -> tuple[list[tuple[Record, Envelope]], Refused]:
        wanted: list[tuple[Record, Envelope]] = []
        refused: Refused = []
        for record in records:
            try:
                envelope = self._wanted(record)
            except InvalidError as error:
                refused.append((record, error.reason))
                continue
            if envelope:
                wanted.append((record, envelope))
        return wanted, refused

    def _wanted(self, record: Record) -> Envelope | None:
        type_ = type_of(record.headers)
        if type_ is not None and not self._cares_for(type_):
            return None
        envelope = decode(record.key, record.headers, record.value)
        return envelope if self._cares_for(envelope.type) else None

    def _cares_for(self, type_: str) -> bool:
        types = self._subscription.types
        return type_ not in self._subscription.ignored and (types is None or type_ in types)

    async def _handle(self, envelopes: Sequence[Envelope]) -> None:
        if not envelopes:
            return
        async with self._database.transaction() as session:
            fresh = await admit(session, self._subscription.group, envelopes)
            if fresh:
                await self._subscription.handle(session, fresh)
        self._count("applied", len(fresh))
        self._count("repeated", len(envelopes) - len(fresh))

    async def _by_halves(self, wanted: Sequence[tuple[Record, Envelope]]) -> Refused:
        """Something in here is invalid: find it in few transactions, without holding up the rest."""
        if len(wanted) == 1:
            return await self._alone(*wanted[0])
        refused: Refused = []
        for half in (wanted[: len(wanted) // 2], wanted[len(wanted) // 2 :]):
            try:
                await self._handle([envelope for _, envelope in half])
            except (InvalidError, ValidationError):
                refused += await self._by_halves(half)
        return refused

    async def _alone(self, record: Record, envelope: Envelope) -> Refused:
        try:
            await self._handle([envelope])
        except InvalidError as error:
            return [(record, error.reason)]
        except ValidationError as error:
            return [(record, f"not as promised: {error.errors(include_input=False, include_url=False)[:3]}")]
        return []

    async def _bury(self, records: Sequence[Record], refused: Refused) -> None:
        bad = {_place(record) for record, _ in refused}
        outcomes = [_place(record) in bad for record in records]
        if refused:
            self._limit.check(outcomes)
            for record, reason in refused:
                log.warning(
                    "dead letter", topic=record.topic, partition=record.partition, offset=record.offset, reason=reason
                )
            await self._dead_letters.bury_all(sorted(refused, key=lambda letter: _place(letter[0])))
            metrics.DEAD_LETTERS.labels(self._subscription.group).inc(len(refused))
            self._count("invalid", len(refused))
        self._limit.add(outcomes)

    def _count(self, outcome: str, count: int) -> None:
        metrics.CONSUMED.labels(self._subscription.group, outcome).inc(count)


def _place(record: Record) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset
