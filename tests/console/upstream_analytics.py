"""Analytics as the console calls it, made up."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tests.console import catalogue, insight, machinery, shop, watch
from tests.console.shop import Json

if TYPE_CHECKING:
    from tests.console.upstreams import World


def routes(world: "World") -> APIRouter:
    made = APIRouter(prefix="/v1")

    @made.get("/customers/{key}")
    async def profile(key: str) -> Json:
        return shop.profile(key)

    @made.get("/runtime")
    async def runtime() -> Json:
        return {"owner": "analytics-0", "partitions": machinery.partitions()}

    @made.get("/decisions")
    async def decisions(trigger: str, limit: int = 50) -> Json:
        return {"items": insight.decisions(trigger)[:limit], "next": None}

    @made.get("/decisions/{key}")
    async def decision(key: str) -> Json:
        trigger = key.removeprefix("d-").rpartition("-")[0]
        found = next((step for step in insight.decisions(trigger) if step["id"] == key), None)
        if found is None:
            raise HTTPException(404, "There is no such decision.")
        return insight.explained(found)

    @made.get("/triggers")
    async def triggers(kind: str, status: str, limit: int) -> Json:
        assert (kind, status) == ("standing_query", "all")
        return {"items": watch.triggers()[:limit], "next": None}

    _models(made, world)
    _queries(made, world)
    _catalogue(made)
    return made


def _queries(made: APIRouter, world: "World") -> None:
    @made.get("/queries")
    async def queries(ended: bool = False) -> Json:
        return {"items": [one for one in world.queries.values() if bool(one["ended_at"]) == ended], "next": None}

    @made.post("/queries/check")
    async def check(body: Json) -> Json:
        return watch.check(body["rule"])

    @made.post("/queries/dry-run")
    async def dry_run(body: Json) -> Json:
        return watch.dry_run(body["days"])

    @made.post("/queries", status_code=201)
    async def save(body: Json) -> Any:
        if len(world.queries) >= watch.MOST:
            return JSONResponse({"detail": "There are 5 rules already: end one first."}, 409)
        saved = watch.query(f"q-{len(world.queries)}", **body)
        world.queries[saved["id"]] = saved
        return saved

    @made.get("/queries/{key}")
    async def query(key: str) -> Json:
        if key not in world.queries:
            raise HTTPException(404, "There is no such standing query.")
        return world.queries[key]

    @made.delete("/queries/{key}", status_code=204)
    async def end(key: str) -> None:
        world.queries[key] |= {"ended_at": shop.ago(minutes=0), "status": "ended", "open": 0}


def _models(made: APIRouter, world: "World") -> None:
    def shown(items: list[Json]) -> Json:
        newest = {model["model"]: model["version"] for model in insight.models()}

        def state(model: Json) -> Json:
            pin = world.pins.get(model["model"])
            in_use = model["version"] == (pin or newest[model["model"]])
            return model | {"in_use": in_use, "pinned": in_use and pin is not None}

        return {"items": [state(model) for model in items]}

    def listed(name: str) -> Json:
        return shown([model for model in insight.models() if model["model"] == name])

    @made.get("/models")
    async def models() -> Json:
        return shown(insight.models())

    @made.get("/models/{name}/versions")
    async def versions(name: str) -> Json:
        return shown(insight.versions(name))

    @made.put("/models/{name}/pin")
    async def pin(name: str, body: Json) -> Json:
        if body["version"] > 41:
            raise HTTPException(404, "There is no such version of this model.")
        world.pins[name] = body["version"]
        return listed(name)

    @made.delete("/models/{name}/pin")
    async def unpin(name: str) -> Json:
        world.pins.pop(name, None)
        return listed(name)

    @made.post("/models/{name}/rollback")
    async def roll_back(name: str) -> Json:
        world.pins[name] = world.pins.get(name, 41) - 1
        return listed(name)


def _catalogue(made: APIRouter) -> None:
    @made.get("/customers/{key}/offers")
    async def offers(key: str, limit: int) -> Json:
        return catalogue.offers(key, limit)

    @made.get("/products/{sku:path}/bought-with")
    async def bought_with(sku: str) -> Json:
        found = catalogue.bought_with(sku)
        if found is None:
            raise HTTPException(404, "There is no such product.")
        return found

    @made.get("/segments")
    async def segments() -> Json:
        return catalogue.segments()
