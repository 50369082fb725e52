"""Style sheets, scripts and pictures, kept for ever by browsers under an address with their version."""

import os
from pathlib import Path

import structlog
from fastapi import FastAPI, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from console.templating import STATIC, VENDOR

log = structlog.get_logger()

_FOR_EVER = "public, max-age=31536000, immutable"


class VersionedFiles(StaticFiles):
    """Static files; those asked for with a version may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = scope["query_string"].startswith(b"v=") and response.status_code == 200
        response.headers["Cache-Control"] = _FOR_EVER if versioned else "no-cache"
        return response


class VendorFiles(VersionedFiles):
    """Of the browser libraries that npm installed only the files that pages load, under short names."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        return super().lookup_path(VENDOR[path]) if path in VENDOR else ("", None)


def add_assets(app: FastAPI, node_modules: Path) -> None:
    """Pages work without the libraries too, but for what is live and for charts."""
    missing = [name for name, path in VENDOR.items() if not (node_modules / path).is_file()]
    if missing:
        log.warning("browser libraries are not installed, run npm ci", missing=missing, looked_in=str(node_modules))
    app.mount("/static/vendor", VendorFiles(directory=node_modules, check_dir=False))
    app.mount("/static", VersionedFiles(directory=STATIC))
