"""Routes of the administration: write keys, imports of history, status. Capture itself is in `hot`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from common.application import Transaction
from common.auth import require
from common.problems import Problem
from common.tokens import ADMIN
from lead_capture import repository, service
from lead_capture.aliases import Aliases
from lead_capture.hot.credentials import presented_key
from lead_capture.keyring import Keyring, WriteKey
from lead_capture.pipeline import Pipeline
from lead_capture.schemas import ImportOut, KeyCreated, KeyList, NewKey, Status
from lead_capture.ticks import Ticker


async def _server_key(request: Request) -> WriteKey:
    keyring: Keyring = request.app.state.keyring
    presented = presented_key(dict(request.scope["headers"]), b"")
    if presented is None:
        raise Problem(401, "Send a server key.", headers={"WWW-Authenticate": "Basic"})
    key = await keyring.find(presented)
    if key.public:
        raise Problem(403, "Only server keys may bring history.")
    return key


ServerKey = Annotated[WriteKey, Depends(_server_key)]
router = APIRouter(prefix="/v1")
admin = APIRouter(prefix="/v1", dependencies=[Depends(require(ADMIN))])


@admin.get("/keys")
async def list_keys(session: Transaction) -> KeyList:
    return KeyList(items=await service.list_keys(session))


@admin.post("/keys", status_code=201)
async def add_key(wanted: NewKey, session: Transaction) -> KeyCreated:
    return await service.add_key(session, wanted)


@admin.delete("/keys/{key_id}", status_code=204)
async def revoke_key(key_id: UUID, session: Transaction) -> Response:
    await service.revoke_key(session, str(key_id))
    return Response(status_code=204)


@admin.get("/status")
async def status(request: Request, session: Transaction) -> Status:
    pipeline: Pipeline = request.app.state.pipeline
    ticker: Ticker = request.app.state.ticker
    aliases: Aliases = request.app.state.aliases
    return Status(
        mode="spooling" if pipeline.spooling else "direct",
        spooled=await repository.count_spooled(session),
        unacknowledged=pipeline.unacknowledged,
        ticking=ticker.ticking,
        last_tick=ticker.last,
        aliases=len(aliases),
        keys=len(request.app.state.keyring),
    )


@router.post("/imports", status_code=201)
async def begin_import(request: Request, key: ServerKey) -> ImportOut:
    imports: service.Imports = request.app.state.imports
    return await imports.begin(key)


@router.post("/imports/{import_id}/end", status_code=204)
async def end_import(import_id: UUID, request: Request, key: ServerKey) -> Response:
    imports: service.Imports = request.app.state.imports
    await imports.end(key, str(import_id))
    return Response(status_code=204)
