"""Who calls: EdDSA-signed bearer tokens, minted by the console and the command line, checked by everyone."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import Depends, Request

from common.problems import Problem

_AUDIENCE = "heed"
ADMIN = "admin"


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
        """Raises Problem 401."""
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
            raise _unauthorised(f"The token is not valid: {error}.") from error


def _unauthorised(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def principal(request: Request) -> Principal:
    """The caller of this request. Raises Problem 401 without a valid token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthorised("Send a token: Authorization: Bearer …")
    verifier: TokenVerifier | None = request.app.state.verifier
    if verifier is None:
        raise _unauthorised("This service knows no key to check tokens with: HEED_TOKEN_PUBLIC_KEY is not set.")
    return verifier.verify(token.strip())


Caller = Annotated[Principal, Depends(principal)]


def require(*roles: str) -> Callable[[Principal], Principal]:
    """A dependency that lets only these roles (and admin) pass. Raises Problem 403."""

    def check(caller: Caller) -> Principal:
        if not caller.may(*roles):
            raise Problem(403, f"This needs one of these roles: {', '.join(roles) or ADMIN}.")
        return caller

    return check
