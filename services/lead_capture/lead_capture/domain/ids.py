"""Ids of captured facts: the same repeat from the same source has the same id, so every consumer drops it."""

from functools import lru_cache
from hashlib import sha1
from uuid import NAMESPACE_URL, uuid5


@lru_cache(maxsize=4_096)
def namespace_of(source: str) -> bytes:
    """The UUID namespace of a source, by name: a rotated write key keeps it."""
    return uuid5(NAMESPACE_URL, f"heed:source:{source}").bytes


def fact_id(namespace: bytes, kind: str, value: str) -> str:
    """UUIDv5 (RFC 9562) of `kind:value`. `kind` is message, order, return or request.

    Equal to `uuid.uuid5`, at a fifth of its cost: tens of thousands are made each second.
    """
    digest = bytearray(sha1(namespace + f"{kind}:{value}".encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
