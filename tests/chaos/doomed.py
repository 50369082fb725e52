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

# Owner, method, whether it dies before or after it, and what the call is about.
POINTS: dict[str, tuple[Any, str, bool, type]] = {
    "before the checkpoint": (Writer, "write", True, Checkpoint),
    "after its fence": (Checkpoint, "fence", False, Checkpoint),
    "before its commit": (Checkpoint, "write", False, Checkpoint),
    "after its commit": (Writer, "write", False, Checkpoint),
    "before publishing": (KafkaPublisher, "publish", True, KafkaPublisher),
    "after publishing": (KafkaPublisher, "publish", False, KafkaPublisher),
    "before telling": (Writer, "write", True, Telling),
    "after the fence of telling": (Telling, "fence", False, Telling),
    "before telling is committed": (Telling, "write", False, Telling),
    "after telling is committed": (Writer, "write", False, Telling),
}


def doom(point: str, times: int) -> None:
    """Wraps the point's method: the process kills itself, as `kill -9` does, when it comes there so many times."""
    owner, name, before, about = POINTS[point]
    method: Method = getattr(owner, name)
    left = [times]

    def count(args: tuple[Any, ...]) -> None:
        left[0] -= any(isinstance(arg, about) for arg in args)
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
