"""What the routes of the hot path share: from captured facts to records that are safe."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any, TypeVar
from uuid import UUID

from prometheus_client import Counter
from pydantic import BaseModel, ValidationError

from common import topics
from common.bus import Message
from common.clock import Clock
from common.problems import Problem
from lead_capture import metrics
from lead_capture.aliases import Aliases
from lead_capture.domain import customer_key, normalise, strongest
from lead_capture.domain.captured import Captured, Intake
from lead_capture.events import Receipt, dead_letter, fact_message
from lead_capture.hot.answers import Answer
from lead_capture.hot.call import Call
from lead_capture.idempotency import Idempotency
from lead_capture.keyring import Keyring, WriteKey
from lead_capture.pipeline import Pipeline
from lead_capture.service import Imports
from lead_capture.settings import Settings

Model = TypeVar("Model", bound=BaseModel)

_PERSON = ("user_id", "loyalty_number", "email", "phone")


@dataclass(frozen=True)
class Desk:
    """The parts that capture works with."""

    settings: Settings
    clock: Clock
    keyring: Keyring
    aliases: Aliases
    imports: Imports
    idempotency: Idempotency
    pipeline: Pipeline

    async def backfill(self, call: Call, key: WriteKey) -> datetime | None:
        """The mark of an import, when the request names one."""
        import_id = call.header(b"heed-import")
        return None if import_id is None else await self.imports.started_at(key, _uuid(import_id))

    def intake(self, key: WriteKey, receipt: Receipt, sent: datetime | None = None) -> Intake:
        return Intake(
            source=key.source,
            namespace=key.namespace,
            region=self.settings.default_region,
            currency=self.settings.default_currency,
            received=receipt.received,
            sent=sent,
            history=receipt.backfill is not None,
        )

    def message(self, captured: Captured, receipt: Receipt, shared: list[tuple[str, bytes]]) -> Message:
        """The record of a fact, keyed by the customer who survives all merges heard of. Raises ValueError."""
        key = self.aliases.survivor(customer_key(*strongest(captured.identifiers)))
        return fact_message(self.facts_topic, captured, key, shared, receipt.request_id)

    def dead_letter(self, key: WriteKey, event: object, reason: str) -> Message:
        topic = self.settings.topic(topics.DEAD_LETTERS)
        return dead_letter(topic, self.settings.group("lead_capture"), key.source, event, reason)

    @cached_property
    def facts_topic(self) -> str:
        return self.settings.topic(topics.CUSTOMER_FACTS)

    async def keep_one(self, call: Call, key: WriteKey, build: Callable[[Intake], Captured], limit: int) -> Captured:
        """Makes one fact safe. Raises Problem 413 or 422, or TransientError when bus and database are away."""
        backfill = await self.backfill(call, key)
        receipt = call.receipt(self.clock.now(), backfill)
        try:
            captured = build(self.intake(key, receipt))
            message = self.message(captured, receipt, receipt.shared_headers())
        except (ValueError, OverflowError) as error:
            raise Problem(422, f"{error}.") from None
        if len(message.value) > limit:
            raise Problem(413, f"The event is larger than {limit} bytes.")
        await self.pipeline.accept([message], receipt.received)
        count(key, [captured])
        return captured

    async def once(self, call: Call, key: WriteKey, body: bytes, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Does `work` once per `Idempotency-Key`; without the header, each time."""
        name = call.header(b"idempotency-key")
        if name is None:
            return await work()
        known = await self.idempotency.begin(key.source, name, call.path.encode() + b"\n" + body)
        if known is not None:
            return known
        answer: Answer | None = None
        try:
            answer = await work()
        finally:
            await self.idempotency.end(key.source, name, answer)
        return answer


def count(key: WriteKey, facts: Sequence[Captured]) -> None:
    """Per-source counters; the names of sources are few."""
    per_type: dict[str, int] = {}
    for fact in facts:
        per_type[fact.type] = per_type.get(fact.type, 0) + 1
        if "time_adjusted" in fact.data:
            metrics.ADJUSTED.labels(key.source).inc()
    for type_, number in per_type.items():
        _counter(key.source, type_).inc(number)


@cache
def _counter(source: str, type_: str) -> Counter:
    return metrics.FACTS.labels(source, type_)


def checked(model: type[Model], document: Any) -> Model:
    """The document as `model`. Raises Problem 422 that names each field."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise Problem(422, "The document does not have the form this route needs.", errors=pointers(error)) from None


def pointers(error: ValidationError) -> list[dict[str, str]]:
    return [
        {"pointer": "/" + "/".join(map(str, e["loc"])), "detail": e["msg"]}
        for e in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    ]


def identified(fields: Mapping[str, Any], region: str, base: str = "") -> dict[str, str]:
    """The normalised identifiers among `fields`. Raises Problem 422 when one is broken or there is none."""
    found: dict[str, str] = {}
    errors = []
    for kind in _PERSON:
        if fields.get(kind) is not None:
            try:
                found[kind] = normalise(kind, fields[kind], region)
            except ValueError as error:
                errors.append({"pointer": f"{base}/{kind}", "detail": str(error)})
    if errors:
        raise Problem(422, "An identifier cannot be used.", errors=errors)
    if not found:
        needed = ", ".join(kind for kind in _PERSON if kind in fields)
        raise Problem(422, f"Nobody is named; give at least one of {needed}.")
    return found


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise Problem(422, "Heed-Import must be the id of an import.") from None
