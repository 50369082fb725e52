"""The users' API, called by the command line."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from common.application import Transaction
from common.auth import require
from console.schemas import NewUser, User, UserPage
from console.service import Accounts


def router(accounts: Accounts) -> APIRouter:
    routes = APIRouter(prefix="/v1/users", tags=["users"], dependencies=[Depends(require())])

    @routes.post("", status_code=201)
    async def add_user(new: NewUser, session: Transaction) -> User:
        return User.of(await accounts.add(session, new))

    @routes.get("")
    async def list_users(
        session: Transaction,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> UserPage:
        found = await accounts.users(session, limit, cursor)
        return UserPage(items=[User.of(row) for row in found.items], next=found.next)

    return routes
