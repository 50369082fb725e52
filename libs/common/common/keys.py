"""Deterministic ids of things known by an outside identifier."""

import base64
import hashlib


def entity_key(prefix: str, kind: str, value: str) -> str:
    """The same id for the same (kind, value), on every machine: `prefix_` and 26 base32 characters."""
    digest = hashlib.blake2b(f"{kind}:{value}".encode(), digest_size=16).digest()
    return f"{prefix}_{base64.b32encode(digest).decode().rstrip('=').lower()}"
