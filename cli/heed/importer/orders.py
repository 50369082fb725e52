"""Order lines grouped into orders and returns, in the order in which they happened. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from heed.importer.reading import Line
from heed.importer.values import moments, tidied

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # microseconds of the years 1 to 9999
_FLOAT_INTEGER = re.compile(r"(\d+)\.0+")


@dataclass
class Refused:
    """A row that was not taken, with its number in the file and why."""

    row: int
    reason: str
    order: str


@dataclass
class Order:
    """`at` is the time of the earliest line; a negative total is a return."""

    id: str
    customer: str
    at: datetime
    items: list[dict[str, Any]] = field(default_factory=list)
    total: Decimal = Decimal(0)

    @property
    def returned(self) -> bool:
        return self.total < 0


@dataclass
class Grouped:
    """All orders of a file, oldest first, and what was refused."""

    orders: list[Order]
    refused: list[Refused]
    rows: int

    def reasons(self) -> Counter[str]:
        """How many rows were refused for which reason."""
        return Counter(refused.reason for refused in self.refused)


def group(lines: Iterable[Line], times: Mapping[str, datetime]) -> Grouped:
    """Lines with the same order id and customer are one order. A row that says too little is refused, not guessed.

    `times` as `read_times` read them.
    """
    orders: dict[tuple[str, str], Order] = {}
    refused: list[Refused] = []
    rows = 0
    for line in lines:
        rows += 1
        try:
            _add(orders, line, times)
        except ValueError as error:
            refused.append(Refused(line.row, str(error), line.order))
    ordered = sorted(orders.values(), key=lambda order: (order.at, order.id, order.customer))
    return Grouped(ordered, refused, rows)


def shift_to_now(orders: list[Order], now: datetime) -> timedelta:
    """How far every time has to move so that the last order is now."""
    return now - orders[-1].at if orders else timedelta()


def segment_event(order: Order, currency: str, shift: timedelta) -> dict[str, Any]:
    """`Order Completed` or `Order Refunded`, as Segment's e-commerce spec has them."""
    event = "Order Refunded" if order.returned else "Order Completed"
    properties: dict[str, Any] = {
        "order_id": order.id,
        "currency": currency,
        "total": str(abs(order.total)),
        "products": order.items,
        "channel": "import",
    }
    if order.returned:
        properties["return_id"] = order.id
    return {
        "type": "track",
        "event": event,
        "userId": order.customer,
        "messageId": f"import:{order.customer}:{order.id}",
        "timestamp": (order.at + shift).isoformat().replace("+00:00", "Z"),
        "properties": properties,
    }


def _add(orders: dict[tuple[str, str], Order], line: Line, times: Mapping[str, datetime]) -> None:
    if line.fault:
        raise ValueError(line.fault)
    if not line.customer:
        raise ValueError("no customer")
    if not line.order:
        raise ValueError("no order id")
    quantity, price = _quantity(line), _price(line)
    at = times.get(line.time)
    if at is None:
        raise ValueError(f"not a time: {line.time!r}" if line.time else "no time")
    customer = _whole(line.customer)
    order = orders.setdefault((line.order, customer), Order(line.order, customer, at))
    order.at = min(order.at, at)
    order.total += quantity * price
    order.items.append({"sku": line.sku or line.order, "quantity": _number(quantity), "price": str(price)})
    if line.name:
        order.items[-1]["name"] = line.name


def read_times(texts: Iterable[str]) -> dict[str, datetime]:
    """What the texts of a column say, without an offset taken as UTC; nothing for what is no time.

    The form is found for all of them, so that 3/4/2024 means the same in every row.
    """
    distinct = sorted(set(texts))
    found = moments(tidied(pa.array(distinct, pa.string())))
    return {
        text: _EPOCH + timedelta(microseconds=at)
        for text, at in zip(distinct, found.tolist(), strict=True)
        if _FIRST <= at <= _LAST
    }


def _quantity(line: Line) -> Decimal:
    return _decimal(line.quantity, "quantity") if line.quantity else Decimal(1)


def _price(line: Line) -> Decimal:
    if line.price:
        return _decimal(line.price, "price")
    if line.amount:
        return _decimal(line.amount, "amount") / _quantity(line)
    raise ValueError("no price")


def _decimal(text: str, what: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{what} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{what} is not a number")
    return number


def _number(quantity: Decimal) -> int | float:
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)


def _whole(customer: str) -> str:
    """Spreadsheets write the id 17850 as 17850.0."""
    match = _FLOAT_INTEGER.fullmatch(customer)
    return match[1] if match else customer


def batches(
    events: Iterable[tuple[int, bytes]], most_events: int, most_bytes: int
) -> Iterator[tuple[int, list[bytes]]]:
    """Groups (index, body) pairs into requests; yields the index after the last one of each."""
    held: list[bytes] = []
    size, after = 0, 0
    for index, body in events:
        if held and (len(held) >= most_events or size + len(body) > most_bytes):
            yield after, held
            held, size = [], 0
        held.append(body)
        size, after = size + len(body) + 1, index + 1
    if held:
        yield after, held
