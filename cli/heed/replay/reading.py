"""A file of orders as columns of numbers, ready to be replayed. A row that says too little is refused, not guessed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from heed.importer.tables import MISSHAPEN, Table
from heed.importer.values import Bools, Floats, Ints, empty, numbers, texts, tidied
from heed.replay.options import Columns, Exclusion
from heed.replay.rows import DAY, Rows, judged


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


def read_log(path: Path, columns: Columns, exclusions: Sequence[Exclusion] = ()) -> Log:
    """Raises UnreadableError when the file cannot be read or a column is missing."""
    named = columns.named()
    file = Table(path, [*named.values(), *(e.column for e in exclusions)])
    batches = list(file.batches())
    table = pa.Table.from_batches(batches).combine_chunks() if batches else None
    total = (table.num_rows if table else 0) + len(file.misshapen)
    number = np.delete(np.arange(1, total + 1), [row - 1 for row in file.misshapen])
    cells = {name: _whole(table, name) for name in {*named.values(), *(e.column for e in exclusions)}}
    blank = np.logical_and.reduce([empty(cells[name]) for name in named.values()])
    out = np.logical_or.reduce([blank, *(_hit(cells[e.column], e.values) for e in exclusions)])
    kept = pa.array(~out)
    rows = judged({role: cells[name].filter(kept) for role, name in named.items()}, number[~out])
    return _grouped(rows, _refused(rows, file.misshapen), total - int(blank.sum()), int((out & ~blank).sum()))


def _whole(table: pa.Table | None, name: str) -> pa.Array:
    return tidied(pa.array([], pa.string()) if table is None else table.column(name).combine_chunks())


def _hit(cells: pa.Array, values: Sequence[str]) -> Bools:
    """Where one of the values stands. Numbers are compared as numbers; an empty value is an empty cell."""
    wanted = tidied(pa.array(values, pa.string()))
    found: Bools = empty(cells) & bool(wanted.null_count)
    if pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type):
        known = numbers(wanted)[0]
        found |= np.isin(numbers(cells)[0], known[np.isfinite(known)])
    else:
        found |= np.asarray(pc.is_in(texts(cells), value_set=texts(wanted.drop_null())).fill_null(False))
    return found


def _refused(rows: Rows, misshapen: set[int]) -> Refused:
    found = {int(rows.number[place]): why for place, why in rows.faults.items()}
    found.update(dict.fromkeys(misshapen, MISSHAPEN))
    ordered = sorted(found)
    return Refused(np.array(ordered, dtype=np.int64), [found[row] for row in ordered])


def _grouped(rows: Rows, refused: Refused, total: int, excluded: int) -> Log:
    """Rows of one order and customer become one event, at the time of the first of them; else each row is one."""
    places = np.flatnonzero(rows.sound())
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


def _groups(rows: Rows, taken: pa.Array, customer: npt.NDArray[np.int32]) -> tuple[Ints, Ints]:
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


def _ids(rows: Rows, heads: Ints) -> pa.StringArray:
    at = pa.array(heads)
    numbered = pa.array(rows.number[heads]).cast(pa.string())
    given = rows.id if rows.id is not None else rows.order
    return numbered if given is None else pc.coalesce(given.take(at), numbered)


def _lines(rows: Rows, places: Ints, group: Ints, orders: int) -> Lines | None:
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
