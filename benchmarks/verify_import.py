"""Holds the profiles after `heed import orders` against an independent recomputation with pandas.

    .venv/bin/python benchmarks/verify_import.py FILE

FILE is UCI's Online Retail as CSV (columns InvoiceNo, Quantity, InvoiceDate, UnitPrice, CustomerID). For every customer
the same orders, returns, spend (returns subtract and are not orders), last purchase and mean gap between distinct days.
The running system's address and token come from `.heed/demo.env` or ANALYTICS_URL and API_TOKEN. Exit status 1 on any
difference.
"""

import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from common.keys import entity_key

HOME = Path(os.environ.get("HEED_HOME", ".heed"))


def setting(name: str) -> str:
    lines = (HOME / "demo.env").read_text().splitlines() if (HOME / "demo.env").exists() else []
    known = dict(line.split("=", 1) for line in lines)
    return os.environ.get(name) or known[name]


def expected(file: Path) -> pd.DataFrame:
    """One row per customer, from the file alone."""
    lines = pd.read_csv(file, dtype={"InvoiceNo": str, "UnitPrice": float, "CustomerID": float})
    lines = lines[lines.CustomerID.notna()].copy()
    lines["customer"] = lines.CustomerID.astype(int).astype(str)
    lines["at"] = pd.to_datetime(lines.InvoiceDate, utc=True)
    lines["amount"] = lines.Quantity * lines.UnitPrice
    invoices = lines.groupby(["customer", "InvoiceNo"]).agg(at=("at", "min"), total=("amount", "sum")).reset_index()
    invoices["returned"] = invoices.InvoiceNo.str.startswith("C")
    bought = invoices[~invoices.returned]
    days = bought.assign(day=bought["at"].dt.floor("D")).groupby("customer").day
    table = pd.DataFrame(
        {
            "orders": bought.groupby("customer").size(),
            "returns": invoices[invoices.returned].groupby("customer").size(),
            "spend": invoices.groupby("customer").total.sum(),
            "last": bought.groupby("customer")["at"].max(),
            "span": (days.max() - days.min()).dt.days,
            "days": days.nunique(),
        }
    )
    table[["orders", "returns"]] = table[["orders", "returns"]].fillna(0).astype(int)
    table["mean_gap"] = (table.span / (table.days - 1)).where(table.days > 1)
    return table


def fetch(client: httpx.Client, customer: str) -> dict[str, Any]:
    answer = client.get(f"/v1/customers/{entity_key('c', 'user_id', customer)}")
    found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
    return found


def compare(row: Any, found: dict[str, Any]) -> list[str]:
    """What differs, by name."""
    if not found:
        return ["missing"]
    wrong = [name for name in ("orders", "returns") if found[name] != getattr(row, name)]
    spent = float(found["spend"][0]["amount"]) if found["spend"] else 0.0
    if abs(spent - row.spend) > 0.005:
        wrong.append("spend")
    last = found["last_order_at"]
    if (last is None) != pd.isna(row.last) or (last and datetime.fromisoformat(last) != row.last.to_pydatetime()):
        wrong.append("last")
    gap = found["mean_gap_days"]
    if (gap is None) != pd.isna(row.mean_gap) or (gap is not None and abs(gap - row.mean_gap) > 1e-9):
        wrong.append("mean gap")
    return wrong


def main(file: Path) -> int:
    table = expected(file)
    headers = {"Authorization": f"Bearer {setting('API_TOKEN')}"}
    with (
        httpx.Client(base_url=setting("ANALYTICS_URL"), headers=headers, timeout=30, trust_env=False) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        found = list(pool.map(lambda customer: fetch(client, customer), table.index))
    wrong: Counter[str] = Counter()
    for row, answer in zip(table.itertuples(), found, strict=True):
        for name in compare(row, answer):
            wrong[name] += 1
            if wrong[name] <= 3:
                print(f"customer {row.Index}, {name}: expected {row}")
    print(f"{len(table):,} customers, {table.orders.sum():,} orders, {table.returns.sum():,} returns compared")
    print(f"differences: {dict(wrong) or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
