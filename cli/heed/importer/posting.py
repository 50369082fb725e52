"""Posts orders through the batch API, one request at a time, and remembers how far it came."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson

from heed.client import ApiError
from heed.importer.orders import Order, batches, segment_event

MOST_EVENTS = 1_000
MOST_BYTES = 400_000
_RETRY_SECONDS = (0.5, 1, 2, 5, 10, 10, 10, 30, 30, 30)


@dataclass
class Progress:
    """Where an import stands; kept on disk after each acknowledged request."""

    posted: int = 0
    import_id: str | None = None
    shift_seconds: float = 0.0
    ended: bool = False

    @classmethod
    def load(cls, path: Path) -> "Progress":
        return cls(**orjson.loads(path.read_bytes())) if path.exists() else cls()

    def save(self, path: Path) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(asdict(self)))
        fresh.replace(path)


def progress_path(home: Path, file: Path, options: dict[str, Any]) -> Path:
    """The same file and options find the same progress; a changed file starts anew."""
    stat = file.stat()
    seed = orjson.dumps([str(file.resolve()), stat.st_size, int(stat.st_mtime), options], option=orjson.OPT_SORT_KEYS)
    directory = home / "imports"
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{file.name}-{hashlib.sha256(seed).hexdigest()[:12]}.json"


class Importer:
    """`live` leaves the backfill mark away. Every method raises ApiError."""

    def __init__(self, url: str, server_key: str, state: Path, *, currency: str, live: bool) -> None:
        self._client = httpx.Client(base_url=url, auth=(server_key, ""), timeout=60, trust_env=False)
        self._state, self._currency, self._live = state, currency, live
        self.progress = Progress.load(state)

    def run(self, orders: list[Order], shift: timedelta, moved: Callable[[int], None]) -> None:
        """Posts what is not posted yet; `moved` hears how many orders are done."""
        self._begin(shift)
        moved(self.progress.posted)
        shift = timedelta(seconds=self.progress.shift_seconds)
        rest = enumerate(orders[self.progress.posted :], self.progress.posted)
        bodies = ((i, orjson.dumps(segment_event(order, self._currency, shift))) for i, order in rest)
        for after, events in batches(bodies, MOST_EVENTS, MOST_BYTES):
            self._post_batch(events)
            self.progress.posted = after
            self.progress.save(self._state)
            moved(after)
        self._end()

    def _begin(self, shift: timedelta) -> None:
        fresh = self.progress.posted == 0 and self.progress.import_id is None
        if fresh:
            self.progress.shift_seconds = shift.total_seconds() if self._live else 0.0
            if not self._live:
                self.progress.import_id = self._call("/v1/imports", b"{}").json()["id"]
            self.progress.save(self._state)

    def _end(self) -> None:
        if self.progress.import_id and not self.progress.ended:
            self._call(f"/v1/imports/{self.progress.import_id}/end", b"{}")
        self.progress.ended = True
        self.progress.save(self._state)

    def _post_batch(self, events: list[bytes]) -> None:
        sent_at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        body = b'{"sentAt":"' + sent_at.encode() + b'","batch":[' + b",".join(events) + b"]}"
        self._call("/v1/batch", body, self.progress.import_id)

    def _call(self, path: str, body: bytes, import_id: str | None = None) -> httpx.Response:
        headers = {"Content-Type": "application/json"} | ({"Heed-Import": import_id} if import_id else {})
        for pause in (*_RETRY_SECONDS, None):
            try:
                answer = self._client.post(path, content=body, headers=headers)
                if answer.status_code < 400:
                    return answer
                if answer.status_code not in (408, 429, 502, 503, 504):
                    raise ApiError(
                        f"lead_capture answered {answer.status_code}: {answer.text[:500]}", answer.status_code
                    )
                said = f"answered {answer.status_code}"
            except httpx.TransportError as error:
                said = f"cannot be reached ({error})"
            if pause is None:
                raise ApiError(f"lead_capture {said}; run the same command again to go on where it stopped")
            time.sleep(pause)
        raise ApiError(f"lead_capture answered {answer.status_code}: {answer.text[:500]}", answer.status_code)
