"""Tells sales of the people alerts and leads may go to, until it knows."""

import structlog

from common.clock import Clock
from common.database import Database
from console import repository
from console.clients import Refused, Unavailable
from console.clients.sales import SalesClient

log = structlog.get_logger()


async def announce_owners(database: Database, sales: SalesClient, clock: Clock) -> None:
    """One round. What sales does not take stays for the next; telling it twice is harmless."""
    async with database.transaction() as session:
        waiting = await repository.unannounced(session)
    for user in waiting:
        try:
            await sales.announce_owner(user.id, user.name, user.email)
        except Unavailable as error:
            log.info("sales will be told later of an owner", reason=error.detail)
            return
        except Refused as error:
            log.error("sales refuses an owner", owner=user.id, reason=error.detail)
            continue
        async with database.transaction() as session:
            await repository.mark_announced(session, user.id, clock.now())
