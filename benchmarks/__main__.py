"""All benchmarks, or those named: prints their tables and keeps them in benchmarks/README.md.

.venv/bin/python -m benchmarks [NAME …]
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from benchmarks import capture, contacts, engines, growth, latency, replay, report, startup, throughput
from benchmarks.rows import Row

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "capture": capture.run,
    "contacts": contacts.run,
    "engines": engines.run,
    "growth": growth.run,
    "latency": latency.run,
    "replay": replay.run,
    "startup": startup.run,
    "throughput": throughput.run,
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; all, when none is named")
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    if unknown := set(names) - BENCHMARKS.keys():
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    held = [_run(name) for name in names]
    return 0 if all(held) else 1


def _run(name: str) -> bool:
    """Whether everything that was asked of it holds."""
    began = time.monotonic()
    rows = BENCHMARKS[name]()
    report.show(name, rows)
    report.keep(name, rows, f".venv/bin/python -m benchmarks {name}", time.monotonic() - began)
    return all(row.holds is not False for row in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
