"""Ids of captured facts: the same repeat from the same source has the same id, so every consumer drops it."""

from functools import lru_cache

from uuid_utils import NAMESPACE_URL, UUID, uuid5


@lru_cache(maxsize=4_096)
def namespace_of(source: str) -> UUID:
    """The UUID namespace of a source, by name: a rotated write key keeps it."""
    return uuid5(NAMESPACE_URL, f"heed:source:{source}")


def fact_id(namespace: UUID, kind: str, value: str) -> str:
    """UUIDv5 (RFC 9562) of `kind:value`. `kind` is message, order, return or request."""
    return str(uuid5(namespace, f"{kind}:{value}"))
