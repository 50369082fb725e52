"""The rows of a file of orders, each judged: what it says, and why it is refused where it says too little."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heed.importer.values import NO_MOMENT, Bools, Floats, Ints, empty, moments, numbers, texts

SECOND = 1_000_000
DAY = 86_400 * SECOND
SCALE = 10_000  # money is whole ten-thousandths
_LARGEST_AMOUNT = 1e11
_EARLIEST, _LATEST = DAY, int(np.datetime64("2200-01-01", "us").astype(np.int64))
_FAR = 3_652 * DAY
_SNIPPET = 40


@dataclass
class Rows:
    """What the rows say; `faults` holds the places of those that are refused, with why.

    `time` is in microseconds since 1970, `amount` the row's total in ten-thousandths, `price` that of one piece.
    """

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
                cell = texts(cells.slice(place, 1))[0].as_py() if cells is not None else None
                self.faults[place] = why if cell is None else f"{why}: {cell!r:.{_SNIPPET}}"

    def sound(self) -> Bools:
        """Where nothing was refused."""
        found = np.ones(len(self.number), dtype=np.bool_)
        found[list(self.faults)] = False
        return found


def judged(cells: dict[str, pa.Array], number: Ints) -> Rows:
    """`cells` by role (customer, time, …), tidied; `number` are the rows' numbers in the file."""
    text = {role: texts(cells[role]) if role in cells else None for role in ("customer", "order", "id", "sku")}
    quantity, price, amount, faults = _worth(cells, len(number))
    rows = Rows(
        number=number,
        customer=text["customer"],
        order=text["order"],
        id=text["id"],
        sku=text["sku"],
        time=moments(cells["time"]),
        quantity=quantity,
        price=price,
        amount=amount,
    )
    rows.refuse(empty(rows.customer), "no customer")
    if rows.order is not None:
        rows.refuse(empty(rows.order), "no order id")
    _judge_time(rows, cells["time"])
    for role, where, why in faults:
        rows.refuse(where, f"{role} {why}" if why != "no" else f"no {role}", None if why == "no" else cells[role])
    if rows.id is not None and rows.order is None:
        rows.refuse(_repeated(rows.id, rows.sound()), "repeats the id of an earlier row", rows.id)
    return rows


_Faults = list[tuple[str, Bools, str]]


def _worth(cells: dict[str, pa.Array], size: int) -> tuple[Floats, Floats, Ints, _Faults]:
    """Quantity, price of one piece, total, and (role, where, what is wrong with it)."""
    faults: _Faults = []
    quantity, price = np.ones(size), np.zeros(size)
    if "quantity" in cells:
        quantity, wrong = numbers(cells["quantity"])
        faults.append(("quantity", wrong, "is not a number"))
        quantity = np.where(np.isnan(quantity), 1.0, quantity)
    role = "price" if "price" in cells else "amount"
    if role in cells:
        price, wrong = numbers(cells[role])
        faults += [(role, wrong, "is not a number"), (role, np.isnan(price), "no")]
    worth = price * quantity if role == "price" else price
    large = np.abs(worth) > _LARGEST_AMOUNT
    if role in cells:
        faults.append((role, large, "is too large"))
    amount = np.round(np.where(large | np.isnan(worth), 0.0, worth) * SCALE).astype(np.int64)
    each = price if role == "price" else price / np.where(quantity == 0, 1.0, quantity)
    return quantity, each, amount, faults


def _judge_time(rows: Rows, cells: pa.Array) -> None:
    time = rows.time
    none = empty(cells)
    unread = time == NO_MOMENT
    early, late = (time < _EARLIEST) & ~unread, time >= _LATEST
    rows.refuse(none, "no time")
    rows.refuse(unread, "not a time", cells)
    rows.refuse(early, "a time before 1970-01-02 stands for none", cells)
    rows.refuse(late, "a time after 2200", cells)
    rows.refuse(_far(time, ~(none | unread | early | late)), "the time is ten years away from all others", cells)


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
    found: Bools = usable & ((time < low) | (time > high))
    return found


def _repeated(id_: pa.StringArray, sound: Bools) -> Bools:
    """Where an id stands that a sound row before had already."""
    places = np.flatnonzero(sound & ~empty(id_))
    codes = np.asarray(pc.dictionary_encode(id_.take(pa.array(places))).indices)
    found = np.zeros(sound.size, dtype=np.bool_)
    found[places] = True
    found[places[np.unique(codes, return_index=True)[1]]] = False
    return found
