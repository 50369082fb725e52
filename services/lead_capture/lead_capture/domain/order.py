"""Orders and returns, however they came."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from lead_capture.domain.captured import ORDER_PLACED, ORDER_RETURNED, Captured, Intake, without_none
from lead_capture.domain.ids import fact_id
from lead_capture.domain.money import LIMIT, amount

Object = Mapping[str, Any]


def from_segment(event: Object, type_: str, currency: str) -> dict[str, Any]:
    """`Order Completed` and `Order Refunded` in the words of the native API, yet unchecked. Raises ValueError."""
    properties = event.get("properties")
    if not isinstance(properties, dict):
        raise ValueError("properties must be an object")
    products = properties.get("products")
    if products is not None and not isinstance(products, list):
        raise ValueError("products must be a list")
    order = {
        "order_id": properties.get("order_id") or properties.get("orderId") or event.get("messageId"),
        "items": [_item(product) for product in products or ()],
        "total": _first(properties, "total", "revenue", "value"),
        "currency": properties.get("currency") or currency,
        "channel": properties.get("channel"),
        "type": type_,
    }
    if type_ == "return":
        order["return_id"] = properties.get("return_id") or properties.get("refund_id") or event.get("messageId")
    return order


def captured_order(
    order: Object, identifiers: Mapping[str, str], name: str | None, time: tuple[datetime, bool], intake: Intake
) -> Captured:
    """`order` has the fields of the native API, checked; amounts are Decimals. Raises ValueError without a total."""
    returned = order["type"] == "return"
    total = order["total"] if order["total"] is not None else _sum(order["items"])
    own_id = (order["return_id"] or order["order_id"]) if returned else order["order_id"]
    data = without_none(
        {
            "identifiers": dict(identifiers),
            "name": name,
            "return_id": own_id if returned else None,
            "order_id": order["order_id"] if not returned or order["return_id"] else None,
            "currency": order["currency"],
            "total": amount(abs(total) if returned else total),
            "items": [_line(item) for item in order["items"]],
            "channel": order["channel"] or "web",
            "source": intake.source,
            "time_adjusted": True if time[1] else None,
        }
    )
    type_, kind = (ORDER_RETURNED, "return") if returned else (ORDER_PLACED, "order")
    return Captured(type_, fact_id(intake.namespace, kind, own_id), time[0], data)


def _item(product: Any) -> dict[str, Any]:
    if not isinstance(product, dict):
        raise ValueError("a product must be an object")
    quantity, price = product.get("quantity"), product.get("price")
    return {
        "sku": _first(product, "sku", "product_id", "productId", "id", "name"),
        "name": product.get("name"),
        "quantity": 1 if quantity is None else quantity,
        "unit_price": 0 if price is None else price,
    }


def _first(place: Object, *fields: str) -> Any:
    return next((place[field] for field in fields if place.get(field) not in (None, "")), None)


def _sum(items: Sequence[Object]) -> Decimal:
    if not items:
        raise ValueError("an order needs a total, or items to sum up")
    total: Decimal = sum((item["quantity"] * item["unit_price"] for item in items), Decimal())
    if abs(total) >= LIMIT:
        raise ValueError("the total must be less than 1,000,000,000,000")
    return total


def _line(item: Object) -> dict[str, Any]:
    quantity: Decimal = item["quantity"]
    whole = quantity == quantity.to_integral_value()
    line = {"sku": item["sku"], "quantity": int(quantity) if whole else float(quantity)}
    if item["name"]:
        line["name"] = item["name"]
    line["unit_price"] = amount(item["unit_price"])
    return line
