"""Segment's routes: one event each, or a batch. A bad event goes to the dead letters, the others pass."""

from typing import Any

from pydantic import ValidationError

from common import strictjson
from common.bus import Message
from common.envelope import Headers
from common.ids import new_id
from common.problems import Problem
from lead_capture import metrics
from lead_capture.domain.captured import Captured, Intake
from lead_capture.domain.order import captured_order, from_segment
from lead_capture.domain.segment import (
    Object,
    identifiers_of,
    kind_of,
    moment_of,
    order_type,
    sent_at,
    touchpoint,
)
from lead_capture.events import Receipt
from lead_capture.hot.answers import SUCCESS, Answer
from lead_capture.hot.call import Call
from lead_capture.hot.intake import Desk, count, pointers
from lead_capture.keyring import WriteKey
from lead_capture.schemas import Order


async def post_events(desk: Desk, call: Call, key: WriteKey, document: Any, *, checked: bool) -> Answer:
    """200 once every event is safe, as a fact or as a dead letter. Raises Problem 400 or 413.

    `checked`: the bus can carry all of the document. Otherwise each event is looked at, so that only bad ones go.
    """
    route = call.path.rpartition("/")[2]
    events = _events(document, route, desk)
    desk.keyring.spend(key, max(1, len(events)))
    backfill = await desk.backfill(call, key)
    receipt = call.receipt(desk.clock.now(), backfill)
    intake = desk.intake(key, receipt, sent_at(document))
    take = _Taker(desk, key, route, receipt, intake, checked)
    for event in events:
        take.one(event)
    if take.messages:
        await desk.pipeline.accept(take.messages, receipt.received)
    count(key, take.facts)
    if take.refused:
        metrics.DEAD_LETTERS.labels(key.source).inc(take.refused)
    return SUCCESS


class _Taker:
    """Turns the events of one request into messages; no await in between, so `received` stays true."""

    def __init__(self, desk: Desk, key: WriteKey, route: str, receipt: Receipt, intake: Intake, checked: bool) -> None:
        self._desk, self._key, self._route, self._checked = desk, key, route, checked
        self._receipt, self._intake = receipt, intake
        self._shared: Headers = receipt.shared_headers()
        self.messages: list[Message] = []
        self.facts: list[Captured] = []
        self.refused = 0

    def one(self, event: Any) -> None:
        try:
            captured = self._captured(event)
            message = self._desk.message(captured, self._receipt, self._shared)
            self._check_size(captured, message)
        except (ValueError, OverflowError, Problem) as error:
            self.refused += 1
            self.messages.append(self._desk.dead_letter(self._key, event, _reason(error)))
        else:
            self.messages.append(message)
            self.facts.append(captured)

    def _captured(self, event: Any) -> Captured:
        if not isinstance(event, dict):
            raise ValueError("an event must be an object")
        if not self._checked:
            strictjson.check(event)
        kind = kind_of(event, self._route)
        type_ = order_type(event) if kind == "track" else None
        if type_ is not None:
            return self._order(event, type_)
        return touchpoint(event, kind, self._intake, "" if event.get("messageId") else new_id())

    def _order(self, event: Object, type_: str) -> Captured:
        fields = from_segment(event, type_, self._intake.currency)
        order = Order.model_validate({**fields, "customer": {}}).model_dump()
        identifiers = identifiers_of(event, "track", self._intake.region)
        return captured_order(order, identifiers, None, moment_of(event, self._intake), self._intake)

    def _check_size(self, captured: Captured, message: Message) -> None:
        settings = self._desk.settings
        limit = settings.order_limit_bytes if "order" in captured.type else settings.event_limit_bytes
        if len(message.value) > limit:
            raise ValueError(f"the event is larger than {limit} bytes")


def _events(document: Any, route: str, desk: Desk) -> list[Any]:
    if not isinstance(document, dict):
        raise Problem(400, "The body must be a JSON object.")
    if route != "batch":
        return [document]
    events = document.get("batch")
    if not isinstance(events, list):
        raise Problem(400, "batch must be a list of events.")
    if len(events) > desk.settings.batch_limit_events:
        raise Problem(413, f"A batch holds at most {desk.settings.batch_limit_events} events.")
    return events


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{e['pointer']}: {e['detail']}" for e in pointers(error)[:3])
    return str(error)[:500]
