"""Order lines become orders: what is taken, what is refused, what a return is."""

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from heed.importer.orders import Grouped, batches, group, read_times, segment_event, shift_to_now
from heed.importer.reading import Columns, read_column, read_lines
from heed.importer.tables import UnreadableError

COLUMNS = Columns("CustomerID", "InvoiceDate", "InvoiceNo", "StockCode", "Quantity", "UnitPrice")
CSV = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID
A2,X,"late, first in the file",1,2010-12-02 09:00:00,5.00,17850.0
A1,X,mug,6,2010-12-01 08:27:00,2.55,17850.0
A1,Y,"two
lines",2,2010-12-01 08:26:00,3.39,17850.0
C3,X,mug,-2,2010-12-03 10:00:00,2.55,17850.0
A4,X,mug,1,2010-12-03 10:00:00,2.55,
A5,X,mug,many,2010-12-03 10:00:00,2.55,12346.0
A6,X,mug,1,yesterday,2.55,12346.0
,X,mug,1,2010-12-03 10:00:00,2.55,12346.0
A7,X,mug,1,2010-12-04 10:00:00,NaN,12346.0
"""


def grouped(path: Path) -> Grouped:
    return group(read_lines(path, COLUMNS), read_times(read_column(path, COLUMNS.time)))


@pytest.fixture(params=["plain", "gz", "parquet"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same lines in each form that is read."""
    if request.param == "plain":
        path = tmp_path / "orders.csv"
        path.write_text(CSV)
    elif request.param == "gz":
        path = tmp_path / "orders.csv.gz"
        path.write_bytes(gzip.compress(CSV.encode()))
    else:
        plain = tmp_path / "orders.csv"
        plain.write_text(CSV)
        path = tmp_path / "orders.parquet"
        names = list(COLUMNS.named().values())
        lines = list(read_lines(plain, COLUMNS))
        fields = ("customer", "time", "order", "sku", "quantity", "price")
        columns = {name: [getattr(line, f) for line in lines] for name, f in zip(names, fields, strict=True)}
        pa.parquet.write_table(pa.table(columns), path)
    return path


def test_lines_are_grouped_oldest_first_and_the_earliest_line_is_the_time(file: Path) -> None:
    found = grouped(file)
    assert [order.id for order in found.orders] == ["A1", "A2", "C3"]
    first = found.orders[0]
    assert first.at == datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
    assert first.total == Decimal("22.08")
    assert first.customer == "17850"
    assert len(first.items) == 2


def test_a_negative_total_is_a_return(file: Path) -> None:
    cancelled = grouped(file).orders[-1]
    assert cancelled.returned
    event = segment_event(cancelled, "GBP", timedelta())
    assert event["event"] == "Order Refunded"
    assert event["properties"]["total"] == "5.10"


def test_rows_that_say_too_little_are_refused_with_the_reason(file: Path) -> None:
    found = grouped(file)
    assert found.reasons() == {
        "no customer": 1,
        "quantity is not a number": 1,
        "not a time: 'yesterday'": 1,
        "no order id": 1,
        "price is not a number": 1,
    }
    assert found.rows == 9


def test_live_shifts_so_that_the_last_order_is_now(file: Path) -> None:
    orders, now = grouped(file).orders, datetime(2026, 3, 1, tzinfo=UTC)
    shift = shift_to_now(orders, now)
    assert orders[-1].at + shift == now
    assert segment_event(orders[-1], "GBP", shift)["timestamp"] == "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2010-12-01 08:26:00", datetime(2010, 12, 1, 8, 26, tzinfo=UTC)),
        ("19970101", datetime(1997, 1, 1, tzinfo=UTC)),
        ("2010-12-01T08:26:00+02:00", datetime(2010, 12, 1, 6, 26, tzinfo=UTC)),
        ("11/1/2000", datetime(2000, 1, 11, tzinfo=UTC)),
        ("14-Jan-15", datetime(2015, 1, 14, tzinfo=UTC)),
    ],
)
def test_times(text: str, moment: datetime) -> None:
    assert read_times([text]) == {text: moment}


def test_a_date_means_the_same_in_every_row() -> None:
    """3/4/2011 alone is the third of April; in a file that has a 14th as its second number it is not."""
    assert read_times(["3/4/2011 10:00"])["3/4/2011 10:00"] == datetime(2011, 4, 3, 10, tzinfo=UTC)
    both = read_times(["3/4/2011 10:00", "3/14/2011 10:00"])
    assert both["3/4/2011 10:00"] == datetime(2011, 3, 4, 10, tzinfo=UTC)
    assert both["3/14/2011 10:00"] == datetime(2011, 3, 14, 10, tzinfo=UTC)


def test_requests_are_cut_by_count_and_size() -> None:
    events = [(i, b"x" * 40) for i in range(10)]
    assert [(after, len(held)) for after, held in batches(events, 4, 10_000)] == [(4, 4), (8, 4), (10, 2)]
    assert [after for after, _ in batches(events, 100, 100)] == [2, 4, 6, 8, 10]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UnreadableError, match="has no column CustomerID"):
        list(read_lines(path, COLUMNS))
