"""A file of orders as columns of numbers, ready to be replayed. A row that says too little is refused, not guessed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from heed.importer.tables import MISSHAPEN, Table
from heed.replay.options import Columns, Exclusion
from heed.replay.values import NO_MOMENT, Bools, Floats, Ints, moments, numbers, texts

SECOND = 1_000_000
DAY = 86_400 * SECOND
SCALE = 10_000  # money is whole ten-thousandths
_LARGEST_AMOUNT = 1e11
_EARLIEST, _LATEST = DAY, int(np.datetime64("2200-01-01", "us").astype(np.int64))
_FAR = 3_652 * DAY
_SNIPPET = 40


@dataclass(frozen=True)
class Lines:
    """The products of all orders; those of order i are [first[i], first[i + 1])."""

    first: Ints
    sku: npt.NDArray[np.int32]
    skus: Sequence[str]
    quantity: Floats
    price: Floats


@dataclass(frozen=True)
class Refused:
    """Rows that were not taken, by their number, with why."""

    rows: Ints
    reasons: Sequence[str]

    def counts(self) -> Counter[str]:
        """How many rows for which reason; what stood in the cells does not matter."""
        return Counter(reason.split(":")[0] for reason in self.reasons)


@dataclass(frozen=True)
class Log:
    """Orders and returns (`amount` below zero) in the order of the file.

    `customer` holds places in `customers`, `time` microseconds since 1970, `amount` ten-thousandths.
    """

    ids: pa.StringArray
    customers: Sequence[str]
    customer: npt.NDArray[np.int32]
    time: Ints
    amount: Ints
    lines: Lines | None
    refused: Refused
    rows: int
    excluded: int

    def __len__(self) -> int:
        return len(self.time)

    def by_time(self) -> Ints:
        """The places of the events, oldest first; those of one moment stay as they stand in the file."""
        return np.argsort(self.time, kind="stable")

    @property
    def start(self) -> int:
        """The midnight before the first event."""
        return int(self.time.min()) // DAY * DAY if len(self) else 0

    @property
    def end(self) -> int:
        """The midnight after the last event."""
        return (int(self.time.max()) // DAY + 1) * DAY if len(self) else 0


@dataclass
class _Rows:
    """The rows under way: what is said of each, and why those that are refused are."""

    number: Ints
    customer: pa.StringArray
    order: pa.StringArray | None
    id: pa.StringArray | None
    sku: pa.StringArray | None
    time: Ints
    quantity: Floats
    price: Floats
    amount: Ints
    faults: dict[int, str] = field(default_factory=dict)

    def refuse(self, where: Bools, why: str, cells: pa.Array | None = None) -> None:
        """The first reason stays. With `cells` what stands there is quoted."""
        for place in np.flatnonzero(where).tolist():
            if place not in self.faults:
                said = f": {texts(cells.slice(place, 1))[0].as_py() or ''!r:.{_SNIPPET}}" if cells is not None else ""
                self.faults[place] = why + said


def read_log(path: Path, columns: Columns, exclusions: Sequence[Exclusion] = ()) -> Log:
    """Raises UnreadableError when the file cannot be read or a column is missing."""
    named = columns.named()
    file = Table(path, [*named.values(), *(e.column for e in exclusions)])
    batches = list(file.batches())
    table = pa.Table.from_batches(batches).combine_chunks() if batches else None
    total = (table.num_rows if table else 0) + len(file.misshapen)
    number = np.setdiff1d(np.arange(1, total + 1), np.fromiter(file.misshapen, np.int64, len(file.misshapen)))
    cells = {name: _whole(table, name) for name in {*named.values(), *(e.column for e in exclusions)}}
    blank = np.logical_and.reduce([np.asarray(pc.is_null(texts(cells[name]))) for name in named.values()])
    out = np.logical_or.reduce([blank, *(_hit(cells[e.column], e.values) for e in exclusions)])
    kept = pa.array(~out)
    rows = _judged({role: cells[name].filter(kept) for role, name in named.items()}, number[~out])
    log = _grouped(rows, _refused(rows, file.misshapen), total - int(blank.sum()), int((out & ~blank).sum()))
    return log


def _whole(table: pa.Table | None, name: str) -> pa.Array:
    if table is None:
        return pa.array([], pa.string())
    chunks = table.column(name)
    return chunks.chunk(0) if chunks.num_chunks == 1 else pa.concat_arrays(chunks.chunks)


def _hit(cells: pa.Array, values: Sequence[str]) -> Bools:
    """Where one of the values stands. Numbers are compared as numbers; an empty value is an empty cell."""
    wanted = texts(pa.array(values, pa.string()))
    found = np.asarray(pc.is_in(texts(cells), value_set=wanted.drop_null()).fill_null(False))
    if wanted.null_count:
        found = found | np.asarray(pc.is_null(texts(cells)))
    as_numbers = numbers(wanted)[0]
    if np.isfinite(as_numbers).any():
        found = found | np.isin(numbers(cells)[0], as_numbers[np.isfinite(as_numbers)])
    return found


def _judged(cells: dict[str, pa.Array], number: Ints) -> _Rows:
    size = len(number)
    quantity, bad_quantity = numbers(cells["quantity"]) if "quantity" in cells else (np.ones(size), None)
    price, bad_price = numbers(cells.get("price", cells.get("amount", pa.nulls(size))))
    text = {role: texts(cells[role]) if role in cells else None for role in ("order", "id", "sku")}
    quantity = np.where(np.isnan(quantity), 1.0, quantity)
    worth = price * quantity if "price" in cells else price
    fits = np.abs(worth) <= _LARGEST_AMOUNT
    amount = np.round(np.where(fits, worth, 0.0) * SCALE).astype(np.int64)
    if "amount" in cells:
        price = price / np.where(quantity == 0, 1.0, quantity)
    rows = _Rows(number, texts(cells["customer"]), **text, time=moments(cells["time"]), quantity=quantity, price=price, amount=amount)  # type: ignore[arg-type]
    rows.refuse(np.asarray(rows.customer.is_null()), "no customer")
    if rows.order is not None:
        rows.refuse(np.asarray(rows.order.is_null()), "no order id")
    _judge_time(rows, cells["time"])
    if bad_quantity is not None:
        rows.refuse(bad_quantity, "quantity is not a number", cells["quantity"])
    for role in ("price", "amount"):
        if role in cells:
            rows.refuse(bad_price, f"{role} is not a number", cells[role])
            rows.refuse(np.isnan(price), f"no {role}")
            rows.refuse(~fits, f"{role} is too large", cells[role])
    if rows.id is not None and rows.order is None:
        rows.refuse(_repeated(rows), "repeats the id of an earlier row", rows.id)
    return rows


def _judge_time(rows: _Rows, cells: pa.Array) -> None:
    time = rows.time
    empty = np.asarray(pc.is_null(texts(cells)))
    unread = time == NO_MOMENT
    early, late = (time < _EARLIEST) & ~unread, time >= _LATEST
    rows.refuse(empty, "no time")
    rows.refuse(unread, "not a time", cells)
    rows.refuse(early, "a time before 1970-01-02 stands for none", cells)
    rows.refuse(late, "a time after 2200", cells)
    rows.refuse(_far(time, ~(empty | unread | early | late)), "the time is ten years away from all others", cells)


def _far(time: Ints, usable: Bools) -> Bools:
    """The few rows (at most one in a hundred) whose time is years away from the rest: a slip of somebody's hand."""
    known = np.sort(time[usable])
    few = max(1, known.size // 100)
    if known.size < 3:
        return np.zeros(time.size, dtype=np.bool_)
    gaps = np.flatnonzero(np.diff(known) > _FAR)
    left, right = gaps[gaps < few], gaps[known.size - 1 - gaps <= few]
    low = known[left[-1] + 1] if left.size else known[0]
    high = known[right[0]] if right.size else known[-1]
    return usable & ((time < low) | (time > high))


def _repeated(rows: _Rows) -> Bools:
    sound = np.ones(len(rows.number), dtype=np.bool_)
    sound[list(rows.faults)] = False
    sound &= np.asarray(rows.id.is_valid())  # type: ignore[union-attr]
    places = np.flatnonzero(sound)
    codes = np.asarray(pc.dictionary_encode(rows.id.take(pa.array(places))).indices)  # type: ignore[union-attr]
    first = np.unique(codes, return_index=True)[1]
    again = np.ones(places.size, dtype=np.bool_)
    again[first] = False
    found = np.zeros(sound.size, dtype=np.bool_)
    found[places[again]] = True
    return found


def _refused(rows: _Rows, misshapen: set[int]) -> Refused:
    found = {int(rows.number[place]): why for place, why in rows.faults.items()}
    found.update(dict.fromkeys(misshapen, MISSHAPEN))
    ordered = sorted(found)
    return Refused(np.array(ordered, dtype=np.int64), [found[row] for row in ordered])


def _grouped(rows: _Rows, refused: Refused, total: int, excluded: int) -> Log:
    """Rows of one order and customer become one event, at the time of the first of them; else each row is one."""
    sound = np.ones(len(rows.number), dtype=np.bool_)
    sound[list(rows.faults)] = False
    places = np.flatnonzero(sound)
    taken = pa.array(places)
    people = pc.dictionary_encode(rows.customer.take(taken))
    customer = np.asarray(people.indices, dtype=np.int32)
    group, first = _groups(rows, taken, customer)
    heads = places[first]
    by_group = np.argsort(group, kind="stable")
    amount = np.zeros(first.size, dtype=np.int64)
    np.add.at(amount, group, rows.amount[places])
    return Log(
        ids=_ids(rows, heads),
        customers=people.dictionary.to_pylist(),
        customer=customer[first],
        time=rows.time[heads],
        amount=amount,
        lines=_lines(rows, places[by_group], group[by_group], first.size),
        refused=refused,
        rows=total,
        excluded=excluded,
    )


def _groups(rows: _Rows, taken: pa.Array, customer: npt.NDArray[np.int32]) -> tuple[Ints, Ints]:
    """For each sound row its group's number, and for each group its first row; groups in order of appearance."""
    if rows.order is None:
        every = np.arange(len(taken))
        return every, every
    order = np.asarray(pc.dictionary_encode(rows.order.take(taken)).indices, dtype=np.int64)
    both = order * (int(customer.max(initial=0)) + 1) + customer
    _, first, inverse = np.unique(both, return_index=True, return_inverse=True)
    appearance = np.argsort(first, kind="stable")
    rank = np.empty_like(appearance)
    rank[appearance] = np.arange(appearance.size)
    return rank[inverse], first[appearance]


def _ids(rows: _Rows, heads: Ints) -> pa.StringArray:
    at = pa.array(heads)
    numbered = pa.array(rows.number[heads]).cast(pa.string())
    given = rows.id if rows.id is not None else rows.order
    return numbered if given is None else pc.coalesce(given.take(at), numbered)


def _lines(rows: _Rows, places: Ints, group: Ints, orders: int) -> Lines | None:
    if rows.sku is None:
        return None
    skus = pc.dictionary_encode(rows.sku.take(pa.array(places)).fill_null(""))
    return Lines(
        first=np.searchsorted(group, np.arange(orders + 1)),
        sku=np.asarray(skus.indices, dtype=np.int32),
        skus=skus.dictionary.to_pylist(),
        quantity=rows.quantity[places],
        price=rows.price[places],
    )
