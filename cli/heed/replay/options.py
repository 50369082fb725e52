"""What `heed replay orders` is told: the columns, which rows to leave out, spans of days."""

import re
from dataclasses import dataclass, fields


class OptionError(ValueError):
    """An option cannot be read; the message says what it should look like."""


@dataclass(frozen=True)
class Columns:
    """Which column of the file holds what. `amount` is a row's total where there is no price; `id` names the event."""

    customer: str
    time: str
    order: str | None = None
    sku: str | None = None
    quantity: str | None = None
    price: str | None = None
    amount: str | None = None
    id: str | None = None

    def named(self) -> dict[str, str]:
        """Field → column, only those given."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name))}


@dataclass(frozen=True)
class Exclusion:
    """Rows whose `column` holds one of `values` are left out, as if they were not in the file."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """How to replay: spans in whole days; all amounts are in one currency."""

    score_every: int = 7
    horizon: int = 56
    warm_up: int = 30
    currency: str = "GBP"


_SPAN = re.compile(r"(\d{1,4})\s*([dw])")
_COLUMN = re.compile(
    r"""\s*(?:"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<bare>[^"'=!<>()\s][^=!<>()]*?))\s*(?:==?|\bin\b\s*\()""", re.I
)
_QUOTED = re.compile(r"""\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)')\s*""")
_BARE = re.compile(r"[^,()'\"]*")
_SHAPE = "write COLUMN = VALUE or COLUMN in (VALUE, VALUE)"


def days(text: str) -> int:
    """`7d` → 7, `8w` → 56. Raises OptionError."""
    found = _SPAN.fullmatch(text.strip().lower())
    count = int(found[1]) * (7 if found[2] == "w" else 1) if found else 0
    if not 0 < count <= 3650:
        raise OptionError(f"{text!r} is no span of days: write 7d for seven days, 8w for eight weeks")
    return count


def days_or_none(text: str) -> int:
    """As `days`, but `0d` is none at all."""
    return 0 if re.fullmatch(r"0+\s*[dw]", text.strip().lower()) else days(text)


def exclusion(text: str) -> Exclusion:
    """`Country = France`, `kind in (1, "two, three")`. A quote within quotes is doubled. Raises OptionError."""
    found = _COLUMN.match(text)
    if found is None:
        raise OptionError(f"cannot read {text!r}: {_SHAPE}")
    column = found["double"] or found["single"] or found["bare"]
    rest = text[found.end() :]
    if found[0].endswith("="):
        return Exclusion(column, (_single(text, rest),))
    return Exclusion(column, tuple(_listed(text, rest)))


def _single(text: str, rest: str) -> str:
    quoted = _QUOTED.fullmatch(rest)
    if quoted is None and rest.strip()[:1] in ('"', "'"):
        raise OptionError(f"cannot read {text!r}: a quote is not closed; {_SHAPE}")
    return _unquoted(quoted) if quoted else rest.strip()


def _listed(text: str, rest: str) -> list[str]:
    """The values up to the closing parenthesis."""
    values, at = [], 0
    while True:
        quoted = _QUOTED.match(rest, at)
        bare = _BARE.match(rest, at)
        assert bare is not None
        values.append(_unquoted(quoted) if quoted else bare[0].strip())
        at = (quoted or bare).end()
        after, at = rest[at : at + 1], at + 1
        if not quoted and not values[-1]:
            raise OptionError(f"cannot read {text!r}: a value is missing; {_SHAPE}")
        if after == ")" and not rest[at:].strip():
            return values
        if after != ",":
            raise OptionError(f"cannot read {text!r}: expected ',' or a closing ')'; {_SHAPE}")


def _unquoted(quoted: re.Match[str]) -> str:
    double, single = quoted.groups()
    return double.replace('""', '"') if double is not None else single.replace("''", "'")
