"""Files of orders become columns: each form that is read, and what becomes of rows that say too little."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from heed.importer.tables import UnreadableError
from heed.importer.values import NO_MOMENT, moments, numbers, texts, tidied
from heed.replay.options import Columns, Exclusion
from heed.replay.reading import Log, read_log

PLAIN = Columns("who", "when", amount="total", id="no")
ROWS = [
    ("a", "2024-01-01 10:00:00", "12.50", "n1"),
    ("b", "2024-01-01T09:00:00Z", "3", "n2"),
    ("a", "2024-01-02 00:00:00", "-4.25", "n3"),
    ("c", "2024-01-02T01:00:00+02:00", "0", "n4"),
]
HEADER = ("who", "when", "total", "no")


def written(path: Path, form: str) -> Path:
    """The same rows in one of the forms."""
    if form == "parquet":
        columns = {name: [row[i] for row in ROWS] for i, name in enumerate(HEADER)}
        columns["total"] = [float(total) for total in columns["total"]]  # type: ignore[misc]
        pa.parquet.write_table(pa.table(columns), path)
        return path
    between = {"csv": ",", "tsv": "\t", "semicolon": ";", "pipe": "|", "blanks": "   "}[form.removesuffix(".gz")]
    lines = [between.join(cell.replace(" ", "T") for cell in row) for row in (HEADER, *ROWS)]
    if form.startswith("blanks"):
        lines = [f"  {line}  " for line in lines]
    text = ("\r\n".join(lines) + "\r\n").encode()
    path.write_bytes(gzip.compress(text) if form.endswith(".gz") else text)
    return path


def day(time: int) -> str:
    return str(np.datetime64(int(time), "us"))


@pytest.mark.parametrize(
    "form", ["csv", "csv.gz", "tsv", "tsv.gz", "semicolon", "pipe", "blanks", "blanks.gz", "parquet"]
)
def test_every_form_gives_the_same_log(form: str, tmp_path: Path) -> None:
    log = read_log(written(tmp_path / "a file without a telling name", form), PLAIN)
    assert log.ids.to_pylist() == ["n1", "n2", "n3", "n4"]
    assert [log.customers[who] for who in log.customer] == ["a", "b", "a", "c"]
    assert [day(t) for t in log.time] == [
        "2024-01-01T10:00:00.000000",
        "2024-01-01T09:00:00.000000",
        "2024-01-02T00:00:00.000000",
        "2024-01-01T23:00:00.000000",
    ]
    assert log.amount.tolist() == [125_000, 30_000, -42_500, 0]
    assert log.by_time().tolist() == [1, 0, 3, 2]
    assert (day(log.start), day(log.end)) == ("2024-01-01T00:00:00.000000", "2024-01-03T00:00:00.000000")
    assert (log.rows, log.excluded, len(log.refused.rows)) == (4, 0, 0)


def test_a_header_with_leading_blanks_and_dates_of_eight_digits(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(
        " customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n 00002 19970112  5   77.00\r\n"
    )
    log = read_log(path, Columns("customer_id", "date", quantity="number_of_cds", amount="dollar_value"))
    assert (log.customers, log.amount.tolist()) == (["00001", "00002"], [117_700, 770_000])
    assert [day(t)[:10] for t in log.time] == ["1997-01-01", "1997-01-12"]
    assert log.ids.to_pylist() == ["1", "2"]


BAD = """who,when,total,no
a,2024-01-01,10,1
,2024-01-01,10,2
a,,10,3
a,2024-02-30,10,4
a,yesterday,10,5
a,2024-01-01,ten,6
a,2024-01-01,,7
a,2024-01-01,1e400,8
a,2024-01-01,inf,9
a,1970-01-01,10,10
a,9999-12-31,10,11
a,2087-01-01,10,12
a,2024-01-01
a,2024-01-01,10,1
a,2024-01-01,10,13,14

a,2024-01-01,1e12,15
nan,2024-01-01,10,16
b,2024-01-03,20,
"""


def test_bad_rows_are_named_with_their_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(BAD)
    log = read_log(path, PLAIN)
    assert dict(zip(log.refused.rows.tolist(), log.refused.reasons, strict=True)) == {
        2: "no customer",
        3: "no time",
        4: "not a time: '2024-02-30'",
        5: "not a time: 'yesterday'",
        6: "amount is not a number: 'ten'",
        7: "no amount",
        8: "amount is not a number: '1e400'",
        9: "amount is not a number: 'inf'",
        10: "a time before 1970-01-02 stands for none: '1970-01-01'",
        11: "a time after 2200: '9999-12-31'",
        12: "the time is ten years away from all others: '2087-01-01'",
        13: "too few or too many fields",
        14: "repeats the id of an earlier row: '1'",
        15: "too few or too many fields",
        17: "amount is too large: '1e12'",
        18: "no customer",
    }
    assert log.ids.to_pylist() == ["1", "19"], "a row without an id is named by its number"
    assert (log.rows, log.excluded) == (18, 0), "the blank row is none"
    assert log.refused.counts()["no customer"] == 2


def test_text_that_is_not_utf8_and_bytes_of_all_kinds_do_not_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("who,when,total,no\nMüller,2024-01-01,1,1\nMöller,2024-01-01,1,2\n".encode("latin-1"))
    assert read_log(path, PLAIN).customers == ["Müller", "Möller"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        ("who,when\na,b\n".encode("utf-16"), "neither Parquet nor text in UTF-8"),
        (b"who,when,total\na,2024-01-01,1\n", "has no column no; it has who, when, total"),
        (b"who,who,when,total,no\na,a,2024-01-01,1,2\n", "more than one column who"),
        (gzip.compress(b"who,when,total,no\n" + b"a,2024-01-01,1,1\n" * 5_000)[:-30], "cannot be read"),
        (b"PAR1 but no more", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_so(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=said):
        read_log(path, PLAIN)


ORDERS = """no,sku,n,when,price,who
A1,mug,6,2010-12-01 08:27,2.55,17850.0
A2,mug,1,2010-12-01 09:00,5.00,17850.0
A1,cup,-2,2010-12-01 08:26,3.00,17850.0
C1,mug,-2,2010-12-02 10:00,2.55,17850.0
A1,pan,1,2010-12-03 10:00,9.00,12346.0
,mug,1,2010-12-03 10:00,2.55,12346.0
A3,,1,2010-12-04 10:00,0,12346.0
"""


def orders(tmp_path: Path) -> Log:
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    return read_log(path, Columns("who", "when", "no", "sku", "n", "price"))


def test_rows_of_one_order_and_customer_are_one_event_at_the_first_rows_time(tmp_path: Path) -> None:
    log = orders(tmp_path)
    assert log.ids.to_pylist() == ["A1", "A2", "C1", "A1", "A3"]
    assert [log.customers[who] for who in log.customer] == ["17850", "17850", "17850", "12346", "12346"]
    assert day(log.time[0]) == "2010-12-01T08:27:00.000000"
    assert log.amount.tolist() == [93_000, 50_000, -51_000, 90_000, 0]
    assert log.refused.counts() == {"no order id": 1}


def test_the_products_of_an_order_stay_with_it(tmp_path: Path) -> None:
    lines = orders(tmp_path).lines
    assert lines is not None
    assert lines.first.tolist() == [0, 2, 3, 4, 5, 6]
    assert [lines.skus[sku] for sku in lines.sku] == ["mug", "cup", "mug", "mug", "pan", ""]
    assert lines.quantity.tolist() == [6, -2, 1, -2, 1, 1]


def test_without_an_order_column_rows_of_one_moment_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("who,when\na,2024-01-01\na,2024-01-01\n")
    log = read_log(path, Columns("who", "when"))
    assert (len(log), log.amount.tolist()) == (2, [0, 0])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_excluded_rows_are_as_if_they_were_not_there(form: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    kinds = [0, 1, 2, None, 3]
    if form == "parquet":
        table = pa.table({"who": ["a"] * 5, "when": ["2024-01-01"] * 5, "kind": pa.array(kinds, pa.int8())})
        pa.parquet.write_table(table, path)
    else:
        path.write_text("who,when,kind\n" + "".join(f"a,2024-01-01,{'' if k is None else k}\n" for k in kinds))
    columns = Columns("who", "when")
    assert read_log(path, columns, [Exclusion("kind", ("1", "2.0"))]).ids.to_pylist() == ["1", "4", "5"]
    assert read_log(path, columns, [Exclusion("kind", ("",))]).ids.to_pylist() == ["1", "2", "3", "5"]
    log = read_log(path, columns, [Exclusion("kind", ("1",)), Exclusion("kind", ("3",))])
    assert (log.ids.to_pylist(), log.excluded) == (["1", "3", "4"], 2)


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["1290000000", "1290000001.5"], ["2010-11-17T13:20:00.000000", "2010-11-17T13:20:01.500000"]),
        ([1290000000, None], ["2010-11-17T13:20:00.000000", None]),
        ([1290000000000, 1290000000500], ["2010-11-17T13:20:00.000000", "2010-11-17T13:20:00.500000"]),
        ([19970101, 19970131], ["1997-01-01T00:00:00.000000", "1997-01-31T00:00:00.000000"]),
        (["19970101", "19970132"], ["1997-01-01T00:00:00.000000", None]),
        (["12/1/2010 8:26", "12/31/2010 8:26"], ["2010-12-01T08:26:00.000000", "2010-12-31T08:26:00.000000"]),
        (["1/12/2010 8:26", "31/12/2010 8:26"], ["2010-12-01T08:26:00.000000", "2010-12-31T08:26:00.000000"]),
        (["01.12.2010", "x"], ["2010-12-01T00:00:00.000000", None]),
        (["01/12/19", "31/12/19"], ["2019-12-01T00:00:00.000000", "2019-12-31T00:00:00.000000"]),
        (["12/1/97 8:26", "12/31/97 8:26"], ["1997-12-01T08:26:00.000000", "1997-12-31T08:26:00.000000"]),
        (["14-Jan-15", "16-Jul-14"], ["2015-01-14T00:00:00.000000", "2014-07-16T00:00:00.000000"]),
        (["2010-12-01T08:26:00.123456Z", "2010-12-01"], ["2010-12-01T08:26:00.123456", "2010-12-01T00:00:00.000000"]),
        (["2010-12-01 08:26:00+0200", "2010-02-31"], ["2010-12-01T06:26:00.000000", None]),
        ([], []),
    ],
)
def test_times(cells: list[object], read: list[str | None]) -> None:
    column = pa.array(cells) if cells else pa.array([], pa.string())
    assert [None if t == NO_MOMENT else day(t) for t in moments(tidied(column))] == read


def test_typed_columns_of_parquet() -> None:
    moment = np.datetime64("2024-01-02T03:04:05.678901", "us")
    for unit in ("us", "ns"):
        assert day(moments(tidied(pa.array([moment]).cast(pa.timestamp(unit, "Europe/Berlin"))))[0]) == str(moment)
    assert day(moments(tidied(pa.array([moment]).cast(pa.date32(), safe=False)))[0])[:10] == "2024-01-02"
    assert moments(tidied(pa.array([2**61], pa.timestamp("s")))).tolist() == [NO_MOMENT]
    assert texts(tidied(pa.array(["a", None]).dictionary_encode())).to_pylist() == ["a", None]
    assert texts(tidied(pa.array([17850.0, 1.5, float("nan")]))).to_pylist() == ["17850", "1.5", None]
    found, wrong = numbers(tidied(pa.array([1.5, None, float("inf")])))
    assert (found[0], wrong.tolist()) == (1.5, [False, False, True])
