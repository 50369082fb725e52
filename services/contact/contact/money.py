"""Amounts as people read them."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

_SIGNS = {"GBP": "£", "EUR": "€", "USD": "$"}
_WHOLE = frozenset({"JPY", "KRW", "VND", "CLP", "ISK"})  # currencies without cents


def money(amount: str, currency: str) -> str:
    """`£1,042.10`, `42 JPY`; an amount that is no number is shown as it came."""
    try:
        value = Decimal(amount)
        places = Decimal(1) if currency in _WHOLE else Decimal("0.01")
        text = f"{abs(value).quantize(places, ROUND_HALF_UP):,f}"
    except InvalidOperation:
        return f"{amount} {currency}"
    sign = "-" if value < 0 else ""
    return f"{sign}{_SIGNS[currency]}{text}" if currency in _SIGNS else f"{sign}{text} {currency}"
