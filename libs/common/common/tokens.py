"""Bearer tokens: EdDSA-signed, minted by the console and the command line."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_AUDIENCE = "heed"
ADMIN = "admin"


class TokenError(ValueError):
    """A token that says nothing about who calls."""


@dataclass(frozen=True)
class Principal:
    """The caller. `roles` are admin, manager, sales, support, marketing or service."""

    id: str
    name: str
    roles: frozenset[str]

    def may(self, *roles: str) -> bool:
        return ADMIN in self.roles or not self.roles.isdisjoint(roles)


def _unpad(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def generate_keys() -> tuple[str, str]:
    """A fresh (private, public) pair, base64url without padding."""
    private = Ed25519PrivateKey.generate()
    raw = (private.private_bytes_raw(), private.public_key().public_bytes_raw())
    first, second = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in raw)
    return first, second


def mint(private_key: str, subject: str, name: str, roles: frozenset[str], lifetime: timedelta) -> str:
    """A token that every service accepts until it expires."""
    claims = {
        "sub": subject,
        "name": name,
        "roles": sorted(roles),
        "aud": _AUDIENCE,
        "exp": datetime.now(UTC) + lifetime,
    }
    key = Ed25519PrivateKey.from_private_bytes(_unpad(private_key))
    return jwt.encode(claims, key, algorithm="EdDSA")


class TokenVerifier:
    """Checks signature, audience and expiry against one public key."""

    def __init__(self, public_key: str) -> None:
        """Raises ValueError for what is not an Ed25519 public key."""
        self._key = Ed25519PublicKey.from_public_bytes(_unpad(public_key))

    def verify(self, token: str) -> Principal:
        """Raises TokenError."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["EdDSA"],
                audience=_AUDIENCE,
                options={"require": ["exp", "sub"]},
            )
            return Principal(claims["sub"], claims.get("name", claims["sub"]), frozenset(claims.get("roles", ())))
        except (jwt.InvalidTokenError, TypeError) as error:
            raise TokenError(str(error)) from error
