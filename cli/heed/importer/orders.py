"""Order lines grouped into orders and returns, in the order in which they happened. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from heed.importer.reading import Line

_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y%m%d", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%Y-%m-%d")
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


def group(lines: Iterable[Line]) -> Grouped:
    """Lines with the same order id and customer are one order. A row that says too little is refused, not guessed."""
    orders: dict[tuple[str, str], Order] = {}
    refused: list[Refused] = []
    rows = 0
    for line in lines:
        rows += 1
        try:
            _add(orders, line)
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


def _add(orders: dict[tuple[str, str], Order], line: Line) -> None:
    if line.fault:
        raise ValueError(line.fault)
    if not line.customer:
        raise ValueError("no customer")
    if not line.order:
        raise ValueError("no order id")
    quantity, price = _quantity(line), _price(line)
    at = parse_time(line.time)
    customer = _whole(line.customer)
    order = orders.setdefault((line.order, customer), Order(line.order, customer, at))
    order.at = min(order.at, at)
    order.total += quantity * price
    order.items.append({"sku": line.sku or line.order, "quantity": _number(quantity), "price": str(price)})
    if line.name:
        order.items[-1]["name"] = line.name


def parse_time(text: str) -> datetime:
    """A moment; one without an offset is taken as UTC. Raises ValueError."""
    moment: datetime | None = None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        for form in _FORMATS:
            try:
                moment = datetime.strptime(text, form)  # noqa: DTZ007  (a missing offset becomes UTC below)
                break
            except ValueError:
                continue
    if moment is None:
        raise ValueError(f"not a time: {text!r}" if text else "no time")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


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
