"""Identifiers that sort by when they were made (UUID version 7, RFC 9562)."""

from uuid_utils import uuid7


def new_id() -> str:
    """A fresh UUIDv7 in its usual text form."""
    return str(uuid7())
