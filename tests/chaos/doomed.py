"""Analytics that kills itself: `python -m tests.chaos.doomed "after the fence" 3` dies when it gets there a third time.

Without arguments it lives. The real service runs; only the named method is wrapped.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from analytics.checkpoint import Checkpoint
from analytics.main import build
from analytics.settings import Settings
from analytics.telling import Telling
from analytics.writing import Writer
from common.bus import KafkaPublisher

Method = Callable[..., Awaitable[Any]]


def _checkpoint(*args: Any) -> bool:
    return any(isinstance(arg, Checkpoint) for arg in args)


def _telling(*args: Any) -> bool:
    return any(isinstance(arg, Telling) for arg in args)


def _always(*args: Any) -> bool:
    del args
    return True


# Owner, method, whether it dies before or after it, and which calls count.
POINTS: dict[str, tuple[Any, str, bool, Callable[..., bool]]] = {
    "before the checkpoint": (Writer, "write", True, _checkpoint),
    "after its fence": (Checkpoint, "fence", False, _checkpoint),
    "before its commit": (Checkpoint, "write", False, _checkpoint),
    "after its commit": (Writer, "write", False, _checkpoint),
    "before publishing": (KafkaPublisher, "publish", True, _always),
    "after publishing": (KafkaPublisher, "publish", False, _always),
    "before telling": (Writer, "write", True, _telling),
    "after the fence of telling": (Telling, "fence", False, _telling),
    "before telling is committed": (Telling, "write", False, _telling),
    "after telling is committed": (Writer, "write", False, _telling),
}


def doom(point: str, times: int) -> None:
    """Wraps the point's method: the process kills itself, as `kill -9` does, when it comes there so many times."""
    owner, name, before, counts = POINTS[point]
    method: Method = getattr(owner, name)
    left = [times]

    def count(args: tuple[Any, ...]) -> None:
        left[0] -= counts(*args)
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    async def wrapped(*args: Any) -> Any:
        if before:
            count(args)
        result = await method(*args)
        if not before:
            count(args)
        return result

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        doom(sys.argv[1], int(sys.argv[2]))
    build(Settings.load()).run()
