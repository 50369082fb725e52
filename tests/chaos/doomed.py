"""Analytics that kills itself: `python -m tests.chaos.doomed "after the fence" 3` dies when it gets there a third time.

Without arguments it lives. The real service runs; only the named method is wrapped.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from analytics import checkpoint
from analytics.main import build
from analytics.settings import Settings
from common.bus import KafkaPublisher

Method = Callable[..., Awaitable[Any]]

POINTS: dict[str, tuple[Any, str, bool]] = {  # owner, method, whether it dies before or after it
    "before the transaction": (checkpoint.Writer, "_attempt", True),
    "after the fence": (checkpoint.Writer, "_fence", False),
    "before the commit": (checkpoint, "_write_all", False),
    "after the commit": (checkpoint.Writer, "_attempt", False),
    "before publishing": (KafkaPublisher, "publish", True),
    "after publishing": (KafkaPublisher, "publish", False),
}


def doom(point: str, times: int) -> None:
    """Wraps the point's method: the process kills itself, as `kill -9` does, when it comes there so many times."""
    owner, name, before = POINTS[point]
    method: Method = getattr(owner, name)
    left = [times]

    def count() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    async def wrapped(*args: Any) -> Any:
        if before:
            count()
        result = await method(*args)
        if not before:
            count()
        return result

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        doom(sys.argv[1], int(sys.argv[2]))
    build(Settings.load()).run()
