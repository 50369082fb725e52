"""An alarm clock: something was committed, look again."""

import asyncio
import contextlib


class Alarm:
    """Wakes one who waits; what rang while nobody did is not lost."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, at_most: float) -> None:
        """Returns once it rings, at once where it rang since the last `wait`, or after `at_most` seconds."""
        with contextlib.suppress(TimeoutError):
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the wake.
            async with asyncio.timeout(at_most):
                await self._rung.wait()
        self._rung.clear()
