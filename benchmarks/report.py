"""Tables on the terminal and in README.md, where what people wrote stays."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.rows import Row

README = Path(__file__).with_name("README.md")
_HEAD = ("What", "Value", "Unit", "Target", "Holds")


def show(title: str, rows: Sequence[Row]) -> None:
    """Prints a table."""
    table = Table(title=title, title_justify="left")
    for name in _HEAD:
        table.add_column(name, justify="right" if name in ("Value", "Target") else "left")
    for row in rows:
        style = "red" if row.holds is False else None
        table.add_row(*row.cells(), style=style)
    Console(width=None if os.isatty(1) else 120).print(table)


def keep(name: str, rows: Sequence[Row], command: str, took: float, readme: Path = README) -> None:
    """Replaces what stands between the markers of this benchmark; without markers a section is added."""
    text = readme.read_text() if readme.exists() else "# Benchmarks\n"
    begin, end = f"<!-- {name}: measured -->", f"<!-- {name}: end -->"
    block = f"{begin}\n{_section(rows, command, took)}\n{end}"
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not between.search(text):
        text = f"{text.rstrip()}\n\n## {name}\n\n{begin}{end}\n"
    readme.write_text(between.sub(lambda _: block, text))


def machine() -> str:
    """What the figures were measured on."""
    memory = psutil.virtual_memory().total / 2**30
    cores = len(psutil.Process().cpu_affinity())
    return f"{_processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", path.read_text() if path.exists() else "", re.MULTILINE)
    return found[1] if found else platform.machine()


def _section(rows: Sequence[Row], command: str, took: float) -> str:
    about = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {took:.0f} s, `{command}`, {machine()}."
    lines = [f"| {' | '.join(cells)} |" for cells in (_HEAD, *(row.cells() for row in rows))]
    return "\n".join([about, "", lines[0], "|---|--:|---|--:|---|", *lines[1:]])
