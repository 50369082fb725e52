"""Numbers as people read them."""

_SYMBOLS = {"GBP": "£", "USD": "$", "EUR": "€", "JPY": "¥"}


def money_text(amount: float, currency: str) -> str:
    """`£42`, `£4.20`, `CHF 1,200`: whole units from ten on."""
    number = f"{amount:,.0f}" if abs(amount) >= 10 else f"{amount:,.2f}"
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{number}" if symbol else f"{currency} {number}"


def days_text(days: float) -> str:
    """`1 day`, `9 days`, `2.5 days`."""
    number = f"{days:.0f}" if days >= 3 or days == round(days) else f"{days:.1f}"
    return f"{number} day" if number == "1" else f"{number} days"


def every_text(days: float) -> str:
    """After "every": `day`, `9 days`, `2.5 days`."""
    text = days_text(days)
    return "day" if text == "1 day" else text
