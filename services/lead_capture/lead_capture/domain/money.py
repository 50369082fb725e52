"""Amounts of money: decimal, finite and of a size that can be meant."""

from decimal import Decimal, InvalidOperation
from functools import lru_cache

LIMIT = Decimal(10) ** 12
_PLACES = 6
_FINEST = Decimal("0.000001")


def decimal_of(value: object) -> Decimal:
    """A number or its text, exactly as written. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ValueError("must be a number or its text")
    return _decimal(str(value))


@lru_cache(maxsize=4_096)
def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError("is not a number") from None
    if not number.is_finite() or abs(number) >= LIMIT:
        raise ValueError("must be finite and less than 1,000,000,000,000")
    return number


def amount(number: Decimal) -> str:
    """Plain decimal text without an exponent, at most six places."""
    text = f"{number:f}"
    if len(text.partition(".")[2]) <= _PLACES:
        return text
    return f"{number.quantize(_FINEST).normalize():f}"


def currency_code(value: object) -> str:
    """Three letters, upper case. Raises ValueError."""
    text = value.strip().upper() if isinstance(value, str) else ""
    if len(text) != 3 or not text.isascii() or not text.isalpha():
        raise ValueError("must be an ISO 4217 code of three letters")
    return text
