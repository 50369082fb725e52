"""Who calls: the bearer token of a request, and what its roles allow."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from common.problems import Problem
from common.tokens import ADMIN, Principal, TokenError, TokenVerifier


def _unauthorised(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


# Dependencies are coroutines: FastAPI would call plain functions in a thread, which costs more than they do.
async def principal(request: Request) -> Principal:
    """The caller of this request. Raises Problem 401 without a valid token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthorised("Send a token: Authorization: Bearer …")
    verifier: TokenVerifier | None = request.app.state.verifier
    if verifier is None:
        raise _unauthorised("This service knows no key to check tokens with: HEED_TOKEN_PUBLIC_KEY is not set.")
    try:
        return verifier.verify(token.strip())
    except TokenError as error:
        raise _unauthorised(f"The token is not valid: {error}.") from error


Caller = Annotated[Principal, Depends(principal)]


def require(*roles: str) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency that lets only these roles (and admin) pass. Raises Problem 403."""

    async def check(caller: Caller) -> Principal:
        if not caller.may(*roles):
            raise Problem(403, f"This needs one of these roles: {', '.join(roles) or ADMIN}.")
        return caller

    return check
