"""The three failures that have a name. Anything else stops whatever raised it, loudly."""


class TransientError(Exception):
    """Will pass by itself (a database or broker that is away): try again later, nothing is lost."""


class InvalidError(Exception):
    """Will never pass: the message goes to the dead letters with `reason`, the rest goes on."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BusyError(Exception):
    """No room just now: slow down and offer again after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"busy, retry after {retry_after} s")
        self.retry_after = retry_after
