"""`heed import`: orders from a file, as history or as if they happened now."""

import csv
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from heed.client import ApiError
from heed.commands.context import console, installation
from heed.importer.orders import Grouped, group, read_times, shift_to_now
from heed.importer.posting import Importer, progress_path
from heed.importer.reading import Columns, read_column, read_lines
from heed.importer.tables import UnreadableError
from heed.platform.layout import default_layout

app = typer.Typer(help="Bring data in from files.", no_args_is_help=True)


@app.callback()
def imports() -> None:
    """Bring data in from files."""


@app.command()
def orders(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="CSV, TSV or separated by blanks, plain or .gz; or Parquet."),
    ],
    customer: Annotated[str, typer.Option(help="Column with the customer's id.")],
    time: Annotated[str, typer.Option(help="Column with the time; without an offset it is taken as UTC.")],
    order: Annotated[str, typer.Option(help="Column with the order's id; its lines become one order.")],
    sku: Annotated[str | None, typer.Option(help="Column with the product's id.")] = None,
    quantity: Annotated[str | None, typer.Option(help="Column with the quantity; negative for returns.")] = None,
    price: Annotated[str | None, typer.Option(help="Column with the price of one piece.")] = None,
    amount: Annotated[str | None, typer.Option(help="Column with the line's total, instead of --price.")] = None,
    name: Annotated[str | None, typer.Option(help="Column with the product's name.")] = None,
    currency: Annotated[str, typer.Option(help="Currency of all amounts.")] = "GBP",
    live: Annotated[
        bool, typer.Option("--live", help="Post as live facts, shifted so that the last one is now.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="lead_capture's address (default: the running system's).")] = None,
    key: Annotated[str | None, typer.Option(help="Server write key (default: the demo's).")] = None,
) -> None:
    """Import orders, oldest first. Interrupted? The same command goes on where it stopped; nothing arrives twice."""
    columns = Columns(customer, time, order, sku, quantity, price, amount, name)
    grouped = _read(file, columns)
    home = default_layout().home
    options = {**columns.named(), "currency": currency, "live": live}
    state = progress_path(home, file, options)
    importer = Importer(_address(url), _server_key(key), state, currency=currency, live=live)
    shift = shift_to_now(grouped.orders, datetime.now(UTC)) if live else timedelta()
    with _bar() as bar:
        task = bar.add_task("posting orders", total=len(grouped.orders))
        importer.run(grouped.orders, shift, lambda done: bar.update(task, completed=done))
    _report(grouped, state.with_suffix(".refused.csv"))


def _read(file: Path, columns: Columns) -> Grouped:
    try:
        with console.status(f"reading {file.name}"):
            return group(read_lines(file, columns), read_times(read_column(file, columns.time)))
    except UnreadableError as error:
        raise ApiError(str(error)) from None


def _bar() -> Progress:
    shown = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*shown, console=console)


def _address(given: str | None) -> str:
    """Where lead_capture listens: as said, or as this installation is set up."""
    return given or installation().services.url("lead_capture")


def _server_key(given: str | None) -> str:
    demo = default_layout().demo_env
    known = dict(line.split("=", 1) for line in demo.read_text().splitlines() if "=" in line) if demo.exists() else {}
    key = given or os.environ.get("SERVER_KEY") or known.get("SERVER_KEY")
    if not key:
        raise ApiError("No server key is known: make one with heed key add NAME --kind server and pass it as --key")
    return key


def _report(grouped: Grouped, refused_file: Path) -> None:
    returns = sum(order.returned for order in grouped.orders)
    table = Table("", "Rows and orders", show_header=False)
    table.add_row("rows read", f"{grouped.rows:,}")
    table.add_row("orders posted", f"{len(grouped.orders) - returns:,}")
    table.add_row("returns posted", f"{returns:,}")
    table.add_row("customers", f"{len({order.customer for order in grouped.orders}):,}")
    for reason, count in grouped.reasons().most_common():
        table.add_row(f"rows refused: {reason}", f"{count:,}")
    console.print(table)
    if grouped.refused:
        with refused_file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["row", "order", "reason"])
            writer.writerows((r.row, r.order, r.reason) for r in grouped.refused)
        console.print(f"refused rows: {refused_file}", markup=False)
