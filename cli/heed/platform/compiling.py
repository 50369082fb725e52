"""Compiles the fold of analytics with mypyc, which makes it half as fast again (docs/adr/0010)."""

import csv
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from heed.platform.errors import PlatformError
from heed.platform.layout import PROJECT

_ANALYTICS = PROJECT / "services" / "analytics"
# In a process of its own: mypyc and setuptools want to be in the directory, and change what they find there.
_BUILD = """
import sys
from setuptools import setup
from mypyc.build import mypycify
from analytics.compiled import PACKAGE, sources

out = sys.argv[1]
files = [str(path.relative_to(PACKAGE.parent)) for path in sources()]
modules = mypycify(
    ["--config-file", sys.argv[2], "--cache-dir", f"{out}/mypy", *files],
    opt_level="1", debug_level="0", target_dir=f"{out}/c", group_name="analytics",
)
build = ["--quiet", "build_ext", "--build-lib", f"{out}/lib", "--build-temp", f"{out}/temp"]
setup(name="analytics", packages=["analytics"], ext_modules=modules, script_args=build)
"""
_ORDERS, _CUSTOMERS, _PRODUCTS, _DAYS = 12_000, 150, 60, 200
_LOG = "orders.csv"
_COLUMNS = ("customer", "time", "order", "sku", "quantity", "price")
_ANSWERS = ("scores.parquet", "events.parquet", "decisions.parquet", "report.json")


def compile_analytics(tell: Callable[[str], None]) -> None:
    """Compiles these sources for this Python where that was not done yet. Raises PlatformError when it cannot be done,
    or when what comes out does not say what the sources say.
    """
    _check_tools()
    wanted = Path(_python("-c", "from analytics.compiled import directory; print(directory())").strip())
    if wanted.is_dir():
        tell("analytics is compiled already")
        return
    with tempfile.TemporaryDirectory(prefix="heed-compile-") as scratch:
        made = Path(scratch) / "lib"
        tell("compiling analytics; takes two to three minutes")
        _python("-c", _BUILD, scratch, str(PROJECT / "pyproject.toml"))
        tell("replaying made-up orders with it and without")
        _write_orders(Path(scratch) / _LOG)
        if _answers(Path(scratch), str(made)) != _answers(Path(scratch), "0"):
            raise PlatformError("compiled, analytics answers otherwise than its sources do; they are used as they are")
        _put(made, wanted)
    tell("analytics is compiled: from its next start on")


def _check_tools() -> None:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if shutil.which(compiler) is None or not headers.exists():
        raise PlatformError(f"compiling needs {compiler} and {headers}: install gcc and the headers of this Python")


def _answers(scratch: Path, compiled: str) -> list[bytes]:
    """What a replay of the orders writes with what was compiled there, or with "0" from the sources."""
    log, out = scratch / _LOG, scratch / f"answers-{compiled == '0'}"
    columns = [word for name in _COLUMNS for word in (f"--{name}", name)]
    _python("-m", "heed", "replay", "orders", str(log), *columns, "--out", str(out), compiled=compiled)
    return [(out / name).read_bytes() for name in _ANSWERS]


def _write_orders(path: Path) -> None:
    """Two lines an order; everybody has a usual sum, and one order in a hundred is far from it."""
    r, opens = random.Random(7), datetime(2024, 1, 1, tzinfo=UTC)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)
        for number in range(_ORDERS):
            customer = r.randrange(_CUSTOMERS)
            at = opens + timedelta(days=_DAYS * number / _ORDERS)
            price = (5 + customer) * r.uniform(0.8, 1.2) * (20 if r.random() < 0.01 else 1)
            for sku in r.sample(range(_PRODUCTS), 2):
                rows.writerow((customer, at.isoformat(), number, f"s{sku}", 1, f"{price:.2f}"))


def _put(made: Path, place: Path) -> None:
    """All at once: whoever starts meanwhile finds everything or nothing. What was compiled before goes."""
    arriving = place.with_suffix(".new")
    shutil.rmtree(place.parent, ignore_errors=True)
    shutil.copytree(made, arriving)
    arriving.rename(place)


def _python(*arguments: str, compiled: str = "0") -> str:
    """What a Python process said. Raises PlatformError when it failed."""
    done = subprocess.run(  # noqa: S603 - the commands above
        [sys.executable, *arguments],
        cwd=_ANALYTICS,
        env=os.environ | {"HEED_COMPILED": compiled},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PlatformError(
            f"analytics could not be compiled and runs as it is:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout
