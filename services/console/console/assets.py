"""Style sheets, scripts and pictures, kept for ever by browsers under an address with their version."""

from pathlib import Path

import structlog
from fastapi import FastAPI, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from console.templating import STATIC

log = structlog.get_logger()

_FOR_EVER = "public, max-age=31536000, immutable"


class VersionedFiles(StaticFiles):
    """Static files; those asked for with a version may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = scope["query_string"].startswith(b"v=") and response.status_code == 200
        response.headers["Cache-Control"] = _FOR_EVER if versioned else "no-cache"
        return response


def vendor_directory(node_modules: Path) -> Path:
    """Where the one browser library is that pages load."""
    directory = node_modules / "htmx.org" / "dist"
    if not directory.is_dir():
        log.warning("htmx is not installed, pages work without it; run npm ci", looked_for=str(directory))
    return directory


def add_assets(app: FastAPI, vendor: Path) -> None:
    app.mount("/static/vendor", VersionedFiles(directory=vendor, check_dir=False))
    app.mount("/static", VersionedFiles(directory=STATIC))
