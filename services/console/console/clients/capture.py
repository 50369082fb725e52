"""The capture service, of which the console only asks how it is."""

from console.clients.base import Answer, Upstream


class CaptureStatus(Answer):
    spooled: int = 0
    ticking: bool | None = None


class CaptureClient(Upstream):
    label = "Lead capture"

    async def status(self) -> CaptureStatus:
        return await self._get("/v1/status", CaptureStatus)
