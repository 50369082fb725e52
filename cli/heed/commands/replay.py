"""`heed replay`: history through the operators, from a file or from the log."""

import asyncio
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from heed.client import ApiError
from heed.commands.context import console, installation
from heed.importer.tables import UnreadableError
from heed.platform.errors import PlatformError
from heed.replay.options import Columns, OptionError, Settings, days, days_or_none, exclusion

if TYPE_CHECKING:
    from heed.replay.topic import Comparison

_SHOWN = 20

app = typer.Typer(help="Run history through the operators, in event time.", no_args_is_help=True)


@app.callback()
def replay() -> None:
    """Run history through the operators, in event time."""


@app.command()
def orders(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="CSV, TSV or separated by blanks, plain or .gz; or Parquet."),
    ],
    customer: Annotated[str, typer.Option(help="Column with the customer's id.")],
    time_: Annotated[str, typer.Option("--time", help="Column with the time; without an offset it is taken as UTC.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Directory for the results; made when missing.")],
    order: Annotated[str | None, typer.Option(help="Column with the order's id; its rows become one order.")] = None,
    sku: Annotated[str | None, typer.Option(help="Column with the product's id.")] = None,
    quantity: Annotated[str | None, typer.Option(help="Column with the quantity; negative for returns.")] = None,
    price: Annotated[str | None, typer.Option(help="Column with the price of one piece.")] = None,
    amount: Annotated[str | None, typer.Option(help="Column with the row's total, instead of --price.")] = None,
    id_: Annotated[
        str | None, typer.Option("--id", help="Column with the event's id (default: the order's, or the row's number).")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Leave rows out: 'COLUMN = VALUE' or 'COLUMN in (VALUE, VALUE)'. May be repeated."),
    ] = None,
    score_every: Annotated[str, typer.Option(help="Days between scoring moments.")] = "7d",
    horizon: Annotated[str, typer.Option(help="Churn is no order within so many days.")] = "56d",
    warm_up: Annotated[str, typer.Option(help="Days at the beginning that teach and raise nothing.")] = "30d",
    currency: Annotated[str, typer.Option(help="Currency of all amounts, three letters.")] = "GBP",
) -> None:
    """Replay a file of orders without any server, and write scores, decisions and a report to --out."""
    try:
        if price and amount:
            raise OptionError("give --price (of one piece) or --amount (of the row), not both")
        columns = Columns(customer, time_, order, sku, quantity, price, amount, id_)
        exclusions = tuple(exclusion(text) for text in exclude or ())
        settings = Settings(days(score_every), days(horizon), days_or_none(warm_up), _currency(currency))
        from heed.replay.orders import replay_orders  # here: no other command should wait for the operators to load

        with _bar() as bar:
            replayed = replay_orders(file, columns, exclusions, settings, out, _Told(bar))
    except (UnreadableError, OptionError) as error:
        raise ApiError(str(error)) from None
    _show(replayed.report, replayed.timings, out)
    if not replayed.compiled:
        console.print("half as fast again: make compile", markup=False)


@app.command()
def topic(
    since: Annotated[
        str | None, typer.Option("--from", help="Compare what was told from this moment on (2026-03-01T09:00:00Z).")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="And up to this one (default: until now).")] = None,
) -> None:
    """Fold the running system's log once more and compare every step of a trigger with what was told live.

    The log is folded from its start, since a state is a fold of all of it. Ends with 1 when anything differs.
    """
    from heed.replay.recorded import Place
    from heed.replay.topic import Window, compare

    try:
        window = Window(_moment(since, -math.inf), _moment(until, math.inf))
    except OptionError as error:
        raise ApiError(str(error)) from None
    place = Place(*_place())
    with _bar() as bar:
        task = bar.add_task("folding the log", total=None)
        found = asyncio.run(compare(place, window, lambda done, total: bar.update(task, completed=done, total=total)))
    _show_comparison(found)
    if found.differences:
        raise typer.Exit(1)


def _place() -> tuple[str, str, str]:
    """Broker, topics' prefix and analytics' database of this installation."""
    here = installation()
    elsewhere = here.settings.kafka_bootstrap_servers and "analytics" in here.settings.database_urls
    if not elsewhere and not here.layout.secrets.exists():
        raise PlatformError(f"There is no installation in {here.layout.home}: start Heed once with heed run.")
    services = here.services
    return services.bootstrap, here.settings.heed_topic_prefix, services.database_url("analytics")


def _moment(text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise OptionError(f"{text!r} is no moment: write 2026-03-01T09:00:00Z or 2026-03-01") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _show_comparison(found: "Comparison") -> None:
    table = Table("", "", show_header=False)
    table.add_row("records of the log folded", f"{found.records:,}")
    table.add_row("repeats dropped", f"{found.repeats:,}")
    table.add_row("customers", f"{found.customers:,}")
    table.add_row("steps told live", f"{found.live:,}")
    table.add_row("steps of this replay", f"{found.replayed:,}")
    for kind, count in sorted(found.kinds.items()):
        table.add_row(f"  {kind.replace('_', ' ')}", f"{count:,}")
    table.add_row("the same, byte for byte", f"{found.same:,}")
    table.add_row("different", f"{len(found.differences):,}")
    console.print(table)
    for difference in found.differences[:_SHOWN]:
        step = difference.step
        about = f" ({', '.join(difference.fields)})" if difference.fields else ""
        at = datetime.fromtimestamp(step.time, UTC).isoformat()
        console.print(f"{difference.how}: {step.kind} {step.action} of {step.customer} at {at}{about}", markup=False)
    if len(found.differences) > _SHOWN:
        console.print(f"… and {len(found.differences) - _SHOWN:,} more")


class _Told:
    """Moves the progress bar."""

    def __init__(self, bar: Progress) -> None:
        self._bar, self._task = bar, bar.add_task("reading", total=None)

    def step(self, what: str, total: int | None = None) -> None:
        self._bar.reset(self._task, description=what, total=total)

    def moved(self, done: int) -> None:
        self._bar.update(self._task, completed=done)


def _bar() -> Progress:
    shown = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*shown, console=console, transient=True)


def _currency(code: str) -> str:
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise OptionError(f"{code!r} is no currency: write three letters, such as EUR")
    return code.upper()


def _show(report: dict[str, Any], timings: dict[str, Any], out: Path) -> None:
    table = Table("", "", show_header=False)
    for label, value in _lines(report, timings):
        table.add_row(label, value)
    console.print(table)
    if report["log"]["refused"]:
        console.print(f"refused rows, each with its reason: {out / 'refused.csv'}", markup=False)
    console.print(f"look at it: {out / 'report.html'}", markup=False)


def _lines(report: dict[str, Any], timings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    log, alerts = report["log"], report["alerts"]
    yield "events", f"{log['events']:,} ({log['orders']:,} orders, {log['returns']:,} returns)"
    yield "customers", f"{log['customers']:,}"
    if log["excluded"]:
        yield "rows excluded", f"{log['excluded']:,}"
    for reason, count in log["refused_because"].items():
        yield f"rows refused: {reason}", f"{count:,}"
    yield "scores", f"{report['scores']['rows']:,}"
    churn = report["churn"]["from_day_140"] or report["churn"]["after_warm_up"]
    if churn and churn["auc"] is not None:
        yield (
            "churn risk",
            f"AUC {churn['auc']:.3f}, Brier {churn['brier']:.4f}, {churn['rows']:,} rows with a known label",
        )
    per_1000 = alerts["raised_per_1000_events"]
    yield "alerts", f"{alerts['raised']:,}" + (f" ({per_1000:.2f} per 1,000 events)" if per_1000 is not None else "")
    yield "speed", f"{timings['events_per_second']:,} events/s"
