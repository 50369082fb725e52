"""Whether each service runs and is ready, asked of its own health routes."""

import asyncio
from dataclasses import dataclass

import httpx

_TIMEOUT = httpx.Timeout(2.5, connect=1.0)


@dataclass(frozen=True)
class Health:
    """`state` is ready, degraded (runs, but something it needs is away) or down."""

    label: str
    state: str
    detail: str


async def ask(http: httpx.AsyncClient, services: dict[str, str]) -> list[Health]:
    """All at once; `services` maps a name that people know to an address."""
    return list(await asyncio.gather(*(_ask(http, label, url) for label, url in services.items())))


async def _ask(http: httpx.AsyncClient, label: str, url: str) -> Health:
    try:
        response = await http.get(url.rstrip("/") + "/readyz", timeout=_TIMEOUT)
    except httpx.TimeoutException:
        return Health(label, "down", "Does not answer in time.")
    except httpx.HTTPError:
        return Health(label, "down", "Cannot be reached.")
    if response.status_code == 200:
        return Health(label, "ready", "")
    try:
        detail = str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"Answers with status {response.status_code}."
    return Health(label, "degraded", detail.removeprefix("Not ready. "))


async def alive(http: httpx.AsyncClient, url: str) -> bool:
    """Whether a service's process answers at all."""
    try:
        response = await http.get(url.rstrip("/") + "/livez", timeout=1.5)
    except httpx.HTTPError:
        return False
    return response.status_code == 200
