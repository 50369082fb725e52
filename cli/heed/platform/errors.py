"""What can be wrong with the machine, said so that a person can act on it."""


class PlatformError(Exception):
    """Starting is impossible; the message names the cause and what to do about it."""


class PortTakenError(PlatformError):
    """Somebody else listens where we should."""

    def __init__(self, name: str, port: int, setting: str) -> None:
        super().__init__(f"{name} cannot listen on port {port}: it is taken. Set {setting} to another port.")
