"""`Idempotency-Key`: the same request again gets the same answer. Many requests share one commit."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from common.database import Database
from common.problems import Problem
from lead_capture import repository
from lead_capture.hot.answers import Answer
from lead_capture.repository import Reservation

Given = TypeVar("Given")
Gained = TypeVar("Gained")

MAX_KEY = 255
_Pair = tuple[str, str]


class GroupCommit(Generic[Given, Gained]):
    """Gathers what arrives while a transaction is running into the next one."""

    def __init__(self, work: Callable[[Sequence[Given]], Awaitable[Sequence[Gained]]]) -> None:
        self._work = work
        self._waiting: list[tuple[Given, asyncio.Future[Gained]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, given: Given) -> Gained:
        """Raises what the work raised."""
        gained: asyncio.Future[Gained] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, gained))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await gained

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                outcomes = await self._work([given for given, _ in group])
            except Exception as error:
                for _, gained in group:
                    if not gained.done():
                        gained.set_exception(error)
                continue
            for (_, gained), outcome in zip(group, outcomes, strict=True):
                if not gained.done():
                    gained.set_result(outcome)
        self._running = None


class Idempotency:
    """Reserve before the work, keep the answer after it; a reservation whose process died is free after 30 s."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open: dict[_Pair, bytes] = {}
        self._reserve = GroupCommit(self._reserve_all)
        self._keep = GroupCommit(self._keep_all)

    async def begin(self, source: str, key: str, request: bytes) -> Answer | None:
        """The answer of old, or None when the work is now ours to do.

        Raises Problem 409 while the first is in flight, 422 for another request under the same key, and
        TransientError without PostgreSQL.
        """
        if not 0 < len(key) <= MAX_KEY:
            raise Problem(422, f"An Idempotency-Key has 1 to {MAX_KEY} characters.")
        pair, fingerprint = (source, key), hashlib.sha256(request).digest()
        if pair in self._open:
            raise _refusal(self._open[pair] == fingerprint)
        self._open[pair] = fingerprint
        try:
            told = await self._reserve(Reservation(source, key, fingerprint))
        except BaseException:
            del self._open[pair]
            raise
        if told is None:
            return None
        del self._open[pair]
        if isinstance(told, Problem):
            raise told
        return told

    async def end(self, source: str, key: str, answer: Answer | None) -> None:
        """Keeps the answer for repeats; None (the work failed) lets the client try again."""
        try:
            await self._keep(((source, key), answer))
        finally:
            self._open.pop((source, key), None)

    async def _reserve_all(self, wanted: Sequence[Reservation]) -> list[Answer | Problem | None]:
        async with self._database.transaction() as session:
            mine = await repository.reserve(session, wanted)
            others = [(r.source, r.key) for r in wanted if (r.source, r.key) not in mine]
            known = await repository.find_answers(session, others) if others else {}
        return [None if (r.source, r.key) in mine else _told(r, known.get((r.source, r.key))) for r in wanted]

    async def _keep_all(self, answers: Sequence[tuple[_Pair, Answer | None]]) -> list[None]:
        async with self._database.transaction() as session:
            await repository.keep_answers(
                session, {pair: (a.status, a.location, a.body) if a else None for pair, a in answers}
            )
        return [None] * len(answers)


def _told(reservation: Reservation, row: Any) -> Answer | Problem:
    """What somebody else's reservation means for this request; a missing row was given back a moment ago."""
    if row is not None and row.fingerprint != reservation.fingerprint:
        return _refusal(same=False)
    if row is None or row.status is None:
        return _refusal(same=True)
    return Answer(row.status, row.location, row.answer)


def _refusal(same: bool) -> Problem:
    if same:
        detail = "The first request with this Idempotency-Key is still in flight."
        return Problem(409, detail, headers={"Retry-After": "1"})
    return Problem(422, "This Idempotency-Key was used with another request.")
