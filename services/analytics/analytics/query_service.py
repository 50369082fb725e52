"""Use cases of standing queries: looked at, tried, saved, listed, ended."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncSession

from analytics import dry_run, repository, schemas
from analytics.announcing import announcements
from analytics.events import QUERY_ACTIVATED, QUERY_RETIRED, moment
from analytics.fold import Fold
from analytics.log_reader import log_reader
from analytics.model_store import ModelStore
from analytics.models import QueryRow
from analytics.operators.base import Adopted
from analytics.queries.book import MOST_RULES, RulesPopulation
from analytics.queries.checking import Plan, check
from analytics.queries.syntax import RuleError
from common.alarm import Alarm
from common.clock import Clock
from common.failures import TransientError
from common.ids import new_id
from common.outbox import put
from common.problems import Problem, not_found
from common.topics import PARTITIONS

MOST_ACTIVE = 32
MOST_BYTES = 2_048  # of a customer's memory, all rules together
_MOST_TRACKS = 50_000  # ever: a track's number has two bytes, and trials need some


class Queries:
    """`created` rings when a rule was saved, so that what was before it is looked for at once."""

    def __init__(
        self,
        bootstrap_servers: str,
        store: ModelStore,
        clock: Clock,
        *,
        facts_topic: str,
        most_records: int,
        seconds: float,
        created: Alarm,
    ) -> None:
        self._bootstrap, self._store, self._clock = bootstrap_servers, store, clock
        self._facts, self._most_records, self._seconds = facts_topic, most_records, seconds
        self._created = created
        self._trying = asyncio.Lock()

    async def create(self, session: AsyncSession, wanted: schemas.QueryWanted, by: str) -> schemas.StandingQuery:
        """Saves a rule and tells the tasks. Raises Problem 422 with the place of what is wrong, 409 for too many."""
        plan = checked(wanted.rule)
        active = await repository.active_queries(session)
        if len(active) >= MOST_ACTIVE:
            raise Problem(409, f"There are {MOST_ACTIVE} rules already, which is as many as can be: end one first.")
        tracks = _numbered(plan, active, await repository.last_track(session))
        row = QueryRow(
            id=new_id(),
            number=_free_number(active, await repository.last_number(session)),
            name=wanted.name,
            rule=plan.text,
            severity=wanted.severity,
            direction=wanted.direction,
            tracks=tracks,
            horizon=plan.horizon,
            created_at=self._clock.now(),
            created_by=by,
        )
        session.add(row)
        told = ("number", "name", "rule", "severity", "direction", "tracks")
        data = {"query": row.id, **{name: getattr(row, name) for name in told}}
        await put(session, announcements(QUERY_ACTIVATED, self._facts, data, row.created_at))
        return shown(row, (), {})

    def wake(self) -> None:
        """To be called once a new rule is committed."""
        self._created.ring()

    async def end(self, session: AsyncSession, id_: str, by: str) -> None:
        """Ends a rule, and with it its episodes; ended twice is ended once. Raises Problem 404."""
        row = await repository.query(session, id_, to_change=True)
        if row is None:
            raise not_found("standing query")
        if row.ended_at is None:
            row.ended_at, row.ended_by = self._clock.now(), by
            data = {"query": row.id, "number": row.number}
            await put(session, announcements(QUERY_RETIRED, self._facts, data, row.ended_at))

    async def show(self, session: AsyncSession, id_: str) -> schemas.StandingQuery:
        """Raises Problem 404."""
        row = await repository.query(session, id_)
        if row is None:
            raise not_found("standing query")
        return shown(row, await self._speaking(session), await repository.triggers_of_queries(session, [id_]))

    async def list(
        self, session: AsyncSession, *, ended: bool, limit: int, cursor: str | None
    ) -> schemas.StandingQueries:
        """Newest first."""
        found = await repository.queries(session, ended=ended, limit=limit, cursor=cursor)
        speaking = await self._speaking(session)
        counts = await repository.triggers_of_queries(session, [row.id for row in found.items])
        return schemas.StandingQueries(items=[shown(row, speaking, counts) for row in found.items], next=found.next)

    async def _speaking(self, session: AsyncSession) -> frozenset[str]:
        """The queries that all partitions have begun to tell of."""
        states = await repository.task_states(session)
        told = [Fold(0, state).world.of(RulesPopulation).speaking() for state in states]
        return frozenset(set.intersection(*told)) if len(told) == PARTITIONS else frozenset()

    async def models(self, session: AsyncSession) -> dict[str, Adopted]:
        """The versions that are scored with now."""
        found = {row.name: await self._store.find(row.name, row.version) for row in await repository.adoptions(session)}
        return {name: adopted for name, adopted in found.items() if adopted is not None}

    async def dry_run(self, wanted: schemas.RuleToTry, models: Mapping[str, Adopted]) -> schemas.DryRun:
        """What the rule would have said. Raises Problem 422, 429 while another one is tried, TransientError."""
        plan = checked(wanted.rule)
        if self._trying.locked():
            raise Problem(429, "Another rule is being tried; try again in a moment.", headers={"Retry-After": "5"})
        async with self._trying:
            try:
                async with log_reader(self._bootstrap, self._facts) as reader:
                    answer = await dry_run.dry_run(
                        reader,
                        plan,
                        wanted.days,
                        self._clock.now().timestamp(),
                        models,
                        most_records=self._most_records,
                        seconds=self._seconds,
                    )
            except (KafkaError, OSError) as error:
                raise TransientError(f"the log cannot be read: {error}") from error
        return _tried(plan, answer)


def looked_at(text: str) -> schemas.RuleCheck:
    """A rule in plain words, or what is wrong with it."""
    try:
        plan = check(text)
    except RuleError as error:
        return schemas.RuleCheck(ok=False, rule=None, reading=None, cost=None, errors=[_error(error)])
    return schemas.RuleCheck(ok=True, rule=plan.text, reading=plan.reading(), cost=_cost(plan), errors=[])


def checked(text: str) -> Plan:
    """Raises Problem 422 with the place of what is wrong."""
    try:
        return check(text)
    except RuleError as error:
        raise Problem(422, f"The rule cannot be saved: {error.detail}.", errors=[_error(error)]) from error


def shown(row: QueryRow, speaking: Collection[str], counts: Mapping[str, tuple[int, int]]) -> schemas.StandingQuery:
    """A rule as it is told to people. `counts`: its triggers, and the open ones."""
    plan, (raised, still_open) = check(row.rule), counts.get(row.id, (0, 0))
    return schemas.StandingQuery(
        id=row.id,
        name=row.name,
        rule=row.rule,
        reading=plan.reading(),
        severity=row.severity,
        direction=row.direction,
        status="ended" if row.ended_at else "running" if row.id in speaking else "starting",
        cost=_cost(plan),
        raised=raised,
        open=still_open,
        created_at=row.created_at,
        created_by=row.created_by,
        started_at=row.primed_at,
        covered_from=row.covered_from,
        ended_at=row.ended_at,
    )


def _numbered(plan: Plan, active: Sequence[QueryRow], last: int) -> dict[str, int]:
    """The tracks of a plan: those that active rules have already, and new ones. Raises Problem 409 for too much."""
    known = {text: number for row in active for text, number in row.tracks.items()}
    others = sum({track.text: track.largest for row in active for track in check(row.rule).tracks}.values())
    new = [track for track in plan.tracks if track.text not in known]
    size = others + sum(track.largest for track in new)
    if size > MOST_BYTES:
        detail = f"With this rule all of them may take {size:,} bytes of each customer's memory"
        raise Problem(409, f"{detail}; {MOST_BYTES:,} are the limit. End a rule first, or use windows of others.")
    if last + len(new) > _MOST_TRACKS:
        raise Problem(409, "So many rules were saved so far that their aggregates cannot be numbered any more.")
    numbers = {track.text: last + n for n, track in enumerate(new, 1)}
    return {track.text: known.get(track.text) or numbers[track.text] for track in plan.tracks}


def _free_number(active: Sequence[QueryRow], last: int) -> int:
    """The next number that no active rule has; they go round, so that one is free for long before it is given again."""
    taken = {row.number for row in active}
    round_ = (*range(last + 1, MOST_RULES), *range(1, last + 1))
    return int(next(number for number in round_ if number not in taken))


def _error(error: RuleError) -> dict[str, Any]:
    place = error.place
    position = {"line": place.line, "column": place.column, "offset": place.offset}
    return {"pointer": "/rule", "detail": error.detail, "position": position}


def _cost(plan: Plan) -> schemas.Cost:
    return schemas.Cost(bytes=plan.bytes, days=round(plan.horizon / 86_400, 2), aggregates=len(plan.tracks))


def _tried(plan: Plan, answer: dry_run.Answer) -> schemas.DryRun:
    customers = len({firing.customer for firing in answer.firings})
    items = [
        schemas.FiringShown(customer=f.customer, time=moment(f.time), sentence=f.sentence)
        for f in answer.firings[: dry_run.MOST_SHOWN]
    ]
    return schemas.DryRun(
        rule=plan.text,
        reading=plan.reading(),
        days=answer.days,
        since=moment(answer.since),
        until=moment(answer.until),
        complete=answer.complete,
        fired=len(answer.firings),
        customers=customers,
        holding=answer.holding,
        items=items,
        records=answer.records,
        of_records=answer.of_records,
        text=_said(answer, customers),
    )


def _said(answer: dry_run.Answer, customers: int) -> str:
    fired = len(answer.firings)
    times = "once" if fired == 1 else f"{fired:,} times"
    of = "1 customer" if customers == 1 else f"{customers:,} customers"
    told = f"It would have fired {times} in the last {answer.days} days, for {of}." if fired else ""
    told = told or f"It would not have fired in the last {answer.days} days."
    if answer.complete:
        return told
    read = f"{answer.records:,} of {answer.of_records:,} records of the log since {moment(answer.since):%d %B %Y}"
    return f"{told} Not all of these days were looked at: {read} were read."
