"""How long a start takes, until the first alert too, and how much memory all processes take together.

    .venv/bin/python -m benchmarks.startup [--seconds 60]

Everything is installed; the data are new at the first start. Starts what `heed run` starts, the demo shop included.
"""

import argparse
import asyncio
import os
import time
from pathlib import Path

from benchmarks import report, servers
from benchmarks.cpu import Meter, proportional_memory
from benchmarks.rows import Row
from benchmarks.screen import watching
from heed.platform.install import install
from heed.platform.stack import Stack
from heed.platform.testing import own_stack
from heed.provision import Access, provision, start_demo

FIRST_ALERT_SECONDS, WARM_SECONDS, MEMORY_MIB = 60, 25, 2560
SECONDS = 60
_ALERT_PATIENCE_SECONDS = 180.0


def run(seconds: int = SECONDS) -> list[Row]:
    """A start with empty data, `seconds` of demo, and a second start with what was there then."""
    with servers.directory() as home:
        return [*_fresh(home / "heed", seconds), *_warm(home / "heed")]


def _fresh(home: Path, seconds: int) -> list[Row]:
    stack, begun = own_stack(home), time.monotonic()
    try:
        meter = Meter({"all": os.getpid()})
        access = _up(stack)
        ready, work = time.monotonic(), meter.spent()["all"]
        alert = asyncio.run(_first_alert(stack, access)) - ready
        meter = Meter({"all": os.getpid()})
        time.sleep(seconds)
        busy = meter.spent()["all"] / max(1, seconds)
        memory = proportional_memory(os.getpid())
    finally:
        stack.stop()
    return [
        Row("fresh start, installed, until it is up", ready - begun, "s"),
        Row("processor time of all processes for that", work, "s"),
        Row.at_most("first alert after that", alert, "s", FIRST_ALERT_SECONDS),
        Row.at_most(f"memory of all processes, {seconds} s later", memory, "MiB", MEMORY_MIB),
        Row("processor while the demo runs", 100 * busy, "% of a core"),
    ]


def _warm(home: Path) -> list[Row]:
    stack, begun = own_stack(home), time.monotonic()
    try:
        _up(stack)
        ready = time.monotonic()
    finally:
        stack.stop()
    down = time.monotonic() - ready
    return [Row.at_most("warm start, until it is up", ready - begun, "s", WARM_SECONDS), Row("stop", down, "s")]


def _up(stack: Stack) -> Access:
    """What `heed run` does until it says that it is up."""
    install(lambda _: None)
    stack.start()
    access = provision(stack, stack.url("console"))
    start_demo(stack, access)
    return access


async def _first_alert(stack: Stack, access: Access) -> float:
    """When the first alert is on a screen, by the monotonic clock; infinite when there is none in time."""
    async with watching(stack.url("sales"), access.api_token) as screen:
        try:
            await asyncio.wait_for(screen.first(), _ALERT_PATIENCE_SECONDS)
        except TimeoutError:
            return float("inf")
        return min(screen.arrived.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of the demo, before memory is looked at")
    report.show("startup", run(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
