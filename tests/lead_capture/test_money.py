"""Amounts of money."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_capture.domain import amount
from lead_capture.domain.money import LIMIT, currency_code, decimal_of
from lead_capture.domain.order import captured_order
from tests.lead_capture.intakes import NOW, intake


@given(st.decimals(min_value=-(10**12) + 1, max_value=10**12 - 1, allow_nan=False, allow_infinity=False))
def test_amounts_are_plain_and_keep_six_places(number: Decimal) -> None:
    text = amount(number)
    assert "E" not in text.upper()
    assert abs(Decimal(text) - number) <= Decimal("0.0000005")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e12", "-1e999", "", "12,50", True, None, [1], {}, "1" * 5_000])
def test_amounts_that_cannot_be_meant_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decimal_of(value)


def test_amounts_stay_below_the_limit_in_sums() -> None:
    items = [{"sku": "a", "name": None, "quantity": LIMIT - 1, "unit_price": Decimal(2)}]
    order = {"type": "order", "order_id": "1", "return_id": None, "total": None, "items": items, "currency": "GBP"}
    with pytest.raises(ValueError, match="less than"):
        captured_order({**order, "channel": None}, {"user_id": "u"}, None, (NOW, False), intake())


@pytest.mark.parametrize(("given", "code"), [("gbp", "GBP"), (" EUR ", "EUR")])
def test_currency_codes(given: str, code: str) -> None:
    assert currency_code(given) == code


@pytest.mark.parametrize("given", ["£", "POUND", "G1P", "", None, 826, "ÄÖÜ"])
def test_what_is_no_currency_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="three letters"):
        currency_code(given)
