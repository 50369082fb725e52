"""Cells become texts, numbers and moments, a whole column at a time. What cannot be read stays empty."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NO_MOMENT = np.iinfo(np.int64).min
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_ISO = (
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
)
_WHOLE = r"^([+-]?\d+)\.0+$"
_NOTHING = pa.array(["", "nan", "NaN", "null", "NULL", "none", "None", "<NA>"])
_AS_TEXT = (pa.types.is_null, pa.types.is_binary, pa.types.is_large_string, pa.types.is_string_view)
_DATE_DIGITS = 8
_SAMPLE = 2_000
# Epoch numbers: seconds below 1e11 (the year 5138), then milliseconds, microseconds, nanoseconds.
_EPOCH_UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (np.inf, 1e-3))
# Day first where a whole column leaves it open, as in most of the world; years of two digits are from 1969 to 2068.
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%d-%b-%Y", "%d %b %Y")
_FORMATS = tuple(
    f"{date}{time}"
    for date in (*_DATES, *(date.replace("%Y", "%y") for date in _DATES if not date.startswith("%Y")))
    for time in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
)
_YEAR_1000 = int(np.datetime64("1000-01-01", "us").astype(np.int64))  # before, it is a year of two digits


def tidied(column: pa.Array) -> pa.Array:
    """Texts without blanks at their ends; cells that mean nothing (empty, nan, null) are null. Other types stay."""
    column = _plain(column)
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), None, column)
    if not pa.types.is_string(column.type):
        return column
    text = pc.utf8_trim_whitespace(column)
    nothing = pc.is_in(text, _NOTHING)
    return pc.if_else(nothing, None, text) if pc.any(nothing).as_py() else text


def empty(column: pa.Array) -> Bools:
    """Of a tidied column: where nothing stands."""
    return np.asarray(column.is_null())


def texts(column: pa.Array) -> pa.StringArray:
    """Of a tidied column; a whole number written as 17850.0 is 17850."""
    if pa.types.is_floating(column.type):
        whole = pc.and_(pc.equal(column, pc.round(column)), pc.less(pc.abs(column), 2.0**53))
        numbers = pc.if_else(whole, column, None).cast(pa.int64()).cast(pa.string())
        return pc.coalesce(numbers, column.cast(pa.string()))
    text = column.cast(pa.string())
    if pc.any(pc.ends_with(text, ".0")).as_py() or pc.any(pc.ends_with(text, ".00")).as_py():
        return pc.replace_substring_regex(text, _WHOLE, r"\1")
    return text


def numbers(column: pa.Array) -> tuple[Floats, Bools]:
    """Of a tidied column, NaN where there is none; and where something stands that is not a finite number."""
    if not pa.types.is_string(column.type):
        there = np.asarray(column.is_valid())
        found = _doubles(column.cast(pa.float64(), safe=False))
        wrong = there & np.isinf(found)
        return np.where(wrong, np.nan, found), wrong
    try:
        found = _doubles(column.cast(pa.float64()))
    except pa.ArrowInvalid:
        fits = pc.match_substring_regex(column, _NUMBER)
        found = _doubles(pc.if_else(fits, column, None).cast(pa.float64()))
    wrong = np.asarray(column.is_valid()) & ~np.isfinite(found)
    return np.where(wrong, np.nan, found), wrong


def moments(column: pa.Array) -> Ints:
    """Of a tidied column: microseconds since 1970, without an offset taken as UTC; NO_MOMENT where none can be read.

    Takes ISO 8601, 20240131, seconds (or milli-, micro-, nanoseconds) since 1970, day/month/year and the like.
    """
    if pa.types.is_timestamp(column.type):
        return _of_timestamps(column)
    if pa.types.is_date(column.type):
        return _of_timestamps(column.cast(pa.timestamp("s")))
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _of_numbers(numbers(column)[0])
    return _of_texts(column.cast(pa.string()))


def _plain(column: pa.Array) -> pa.Array:
    """Without dictionaries (categories) and decimals."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if any(is_type(column.type) for is_type in _AS_TEXT):
        column = column.cast(pa.string())
    return column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column


def _doubles(column: pa.Array) -> Floats:
    return np.array(column.fill_null(np.nan), dtype=np.float64)


def _of_timestamps(column: pa.Array) -> Ints:
    ticks = np.asarray(column.cast(pa.int64()).fill_null(NO_MOMENT), dtype=np.int64)
    there = np.asarray(column.is_valid())
    if column.type.unit == "ns":
        return np.where(there, ticks // 1_000, NO_MOMENT)
    scale = _MICROSECONDS[column.type.unit]
    fits = there & (np.abs(ticks / 2.0) < 2.0**61 / scale)
    return np.where(fits, np.where(fits, ticks, 0) * scale, NO_MOMENT)


def _of_numbers(found: Floats) -> Ints:
    """Days as 20240131 where all numbers are such, else time since 1970 in the unit that its size tells."""
    known = found[np.isfinite(found)]
    if known.size and np.all((known >= 1e7) & (known < 1e8) & (known == np.floor(known))):
        text = pa.array([f"{number:.0f}" if np.isfinite(number) else None for number in found], pa.string())
        return _by_format(text, "%Y%m%d")
    size = float(np.median(np.abs(known))) if known.size else 0.0
    factor = next(factor for limit, factor in _EPOCH_UNITS if size < limit)
    fits = np.isfinite(found) & (np.abs(np.nan_to_num(found)) * factor < 2**62)
    return np.where(fits, np.round(np.where(fits, found, 0.0) * factor), NO_MOMENT).astype(np.int64)


def _of_texts(column: pa.StringArray) -> Ints:
    sample = column.drop_null()
    sample = sample.take(np.linspace(0, len(sample) - 1, min(len(sample), _SAMPLE)).astype(np.int64))
    best = max(_readers(), key=lambda read: np.count_nonzero(read(sample) != NO_MOMENT))
    found = best(column)
    left = (found == NO_MOMENT) & np.asarray(column.is_valid())
    if left.any():
        found[left] = _one_by_one(column.filter(pa.array(left)))
    return found


def _readers() -> Sequence[Callable[[pa.StringArray], Ints]]:
    formats = (lambda column, form=form: _by_format(column, form) for form in ("%Y%m%d", *_FORMATS))
    return (_iso, _of_digits, *formats)


def _iso(column: pa.StringArray) -> Ints:
    zone = pc.match_substring_regex(column, r"([zZ]|[+-]\d\d(:?\d\d)?)$")
    zoned = pc.and_(zone, pc.greater(pc.utf8_length(column), 10)).fill_null(False)
    try:
        return _iso_all(column, zoned)
    except pa.ArrowInvalid:
        column = pc.if_else(pc.match_substring_regex(column, _ISO), column, None)
    try:
        return _iso_all(column, zoned)
    except pa.ArrowInvalid:  # a day that its month does not have
        return _one_by_one(column)


def _iso_all(column: pa.StringArray, zoned: pa.BooleanArray) -> Ints:
    aware = pc.if_else(zoned, column, None).cast(pa.timestamp("us", "UTC"))
    naive = pc.if_else(zoned, None, column).cast(pa.timestamp("us"))
    return np.where(np.asarray(zoned), _of_timestamps(aware), _of_timestamps(naive))


def _of_digits(column: pa.StringArray) -> Ints:
    """Seconds since 1970; eight digits are a date."""
    fits = pc.match_substring_regex(column, r"^\d{9,19}(\.\d+)?$")
    return _of_numbers(_doubles(pc.if_else(fits, column, None).cast(pa.float64())))


def _by_format(column: pa.StringArray, form: str) -> Ints:
    found = _of_timestamps(pc.strptime(column, format=form, unit="us", error_is_null=True))
    return np.where(found < _YEAR_1000, NO_MOMENT, found)


def _one_by_one(column: pa.StringArray) -> Ints:
    """The exact and slow way, for a column in which some cells are wrong."""
    cells = column.dictionary_encode()
    found = np.array([_moment(text) for text in cells.dictionary.to_pylist()] + [NO_MOMENT], dtype=np.int64)
    places: Ints = np.asarray(cells.indices.fill_null(len(found) - 1))
    return found[places]


def _moment(text: str) -> int:
    if text.isdigit():
        return NO_MOMENT
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return NO_MOMENT
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
