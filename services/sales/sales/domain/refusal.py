"""How a rule says no."""


class NotAllowed(Exception):
    """The state does not allow this; the text says why."""
