"""How fast `heed replay orders` goes, with all operators on, on made-up orders of one line and on real logs.

    HEED_BENCH_DATA=FOLDER .venv/bin/python -m benchmarks.replay [--orders 200000]

Real logs are replayed where the folder holds them: what they are called is in LOGS. Each replay runs in a process of
its own, as the command does, and is timed from the first event to the last answer; reading the file is told apart.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from benchmarks import report
from benchmarks.rows import Row

EVENTS_PER_SECOND = 15_000
ORDERS, CUSTOMERS, DAYS = 200_000, 1_000, 100
_START = datetime(2024, 1, 1, tzinfo=UTC)

LOGS = {
    "card log": (
        "fdh_card_even_customers.parquet",
        "--customer CUSTOMER_ID --time TX_DATETIME --amount TX_AMOUNT --id TRANSACTION_ID",
    ),
    "CDNOW": ("cdnow_master.txt.gz", "--customer customer_id --time date --amount dollar_value"),
    "Online Retail, whole invoices": (
        "online_retail.csv.gz",
        "--customer CustomerID --time InvoiceDate --order InvoiceNo"
        " --sku StockCode --quantity Quantity --price UnitPrice",
    ),
}
ONE_LINE = ("card log",)


def run(orders: int = ORDERS) -> list[Row]:
    """Made-up orders first, then every real log that is there."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        made = home / "orders.parquet"
        _make(made, orders)
        columns = "--customer customer --time time --amount total"
        rows = _measured("made-up one-line orders", made, columns, home / "made", judged=True)
        folder = os.environ.get("HEED_BENCH_DATA")
        for name, (file, options) in LOGS.items() if folder else ():
            path = Path(folder or "") / file
            if path.exists():
                rows += _measured(name, path, options, home / file, judged=name in ONE_LINE)
    return rows


def _make(path: Path, orders: int) -> None:
    """Customers who buy every few hours or days, each with a usual sum."""
    r = random.Random(1)
    usual = [r.uniform(5, 100) for _ in range(CUSTOMERS)]
    who = r.choices(range(CUSTOMERS), [r.uniform(0.2, 2.0) for _ in usual], k=orders)
    times = sorted(_START + timedelta(days=r.uniform(0, DAYS)) for _ in range(orders))
    totals = [round(usual[customer] * r.lognormvariate(0, 0.4), 2) for customer in who]
    pa.parquet.write_table(pa.table({"customer": who, "time": times, "total": totals}), path)


def _measured(name: str, file: Path, options: str, out: Path, *, judged: bool) -> list[Row]:
    timings = _replayed(file, options, out)
    speed = float(timings["events_per_second"])
    said = f"{name}, events"
    return [
        Row.at_least(said, speed, "events/s", EVENTS_PER_SECOND) if judged else Row(said, speed, "events/s"),
        Row(f"{name}, scores among them", float(timings["scores"]), ""),
        Row(f"{name}, reading {timings['events']:,} events", float(timings["read_seconds"]), "s"),
        Row("most memory of a replay so far", _most_memory(), "MiB"),
    ]


def _replayed(file: Path, options: str, out: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "heed", "replay", "orders", str(file), *options.split(), "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads((out / "timings.json").read_bytes())
    return found


def _most_memory() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=ORDERS, help="made-up orders")
    report.show("replay", run(parser.parse_args().orders))


if __name__ == "__main__":
    main()
