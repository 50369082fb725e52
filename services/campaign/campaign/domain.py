"""The rules of a journey and of its messages. Pure: moments come in as arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

CONVERSION_WINDOW = timedelta(days=14)
MAX_ATTEMPTS = 12
_LONGEST_PAUSE = timedelta(hours=1)


class Signal(StrEnum):
    """How a customer answers a message."""

    OPEN = "open"
    CLICK = "click"


class Status(StrEnum):
    """Of a message. The last four are final."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    SUPPRESSED = "suppressed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """How an enrolment ends."""

    WON_BACK = "won_back"
    RECOVERED = "recovered"
    NO_RESPONSE = "no_response"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    UNDELIVERABLE = "undeliverable"
    MERGED = "merged"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Wait:
    """Waits `duration`, or less where one of `until` comes first."""

    id: str
    title: str
    duration: timedelta
    next: str
    until: frozenset[Signal] = frozenset()


@dataclass(frozen=True)
class Email:
    """Writes a message and goes on once its fate is known."""

    id: str
    title: str
    next: str


@dataclass(frozen=True)
class Branch:
    """Goes to the first case whose signal answered the last message, else to `otherwise`."""

    id: str
    title: str
    cases: tuple[tuple[Signal, str], ...]
    otherwise: str


@dataclass(frozen=True)
class End:
    id: str
    title: str
    outcome: Outcome


Step = Wait | Email | Branch | End


@dataclass(frozen=True)
class Journey:
    """Steps in the order they are shown; the first is where everybody starts."""

    slug: str
    name: str
    active: bool
    trigger_kinds: frozenset[str]
    restart_after: timedelta
    steps: Mapping[str, Step]


def retired(slug: str) -> Journey:
    """Stands for a journey that is no longer defined: whoever is still in it is withdrawn."""
    return Journey(slug, slug, False, frozenset(), timedelta(), {})


def targets(step: Step) -> tuple[str, ...]:
    """Where a step may lead."""
    if isinstance(step, Branch):
        return (*(target for _, target in step.cases), step.otherwise)
    return () if isinstance(step, End) else (step.next,)


def check(journey: Journey) -> None:
    """Raises ValueError unless every way from the first step ends, and every step lies on one."""
    seen: set[str] = set()

    def walk(id_: str, way: tuple[str, ...]) -> None:
        if id_ in way:
            raise ValueError(f"{journey.slug}: step {id_} leads back to itself")
        if id_ not in journey.steps:
            raise ValueError(f"{journey.slug}: step {way[-1]} leads to {id_}, which does not exist")
        if id_ not in seen:
            seen.add(id_)
            for target in targets(journey.steps[id_]):
                walk(target, (*way, id_))

    if not journey.steps:
        raise ValueError(f"{journey.slug}: a journey needs steps")
    walk(next(iter(journey.steps)), ())
    if unreachable := set(journey.steps) - seen:
        raise ValueError(f"{journey.slug}: nothing leads to {', '.join(sorted(unreachable))}")


@dataclass(frozen=True)
class Enrolment:
    """Where a customer is. `responses` answer the message of `mail_step`; `mailed`: a message may have arrived."""

    step: str = ""
    due_at: datetime | None = None
    visited: tuple[str, ...] = ()
    mail_step: str | None = None
    mailed: bool = False
    responses: frozenset[Signal] = frozenset()
    ended_at: datetime | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class TimerFired:
    pass


@dataclass(frozen=True)
class MessageSettled:
    """The message of this step reached a final status."""

    step: str
    status: Status


@dataclass(frozen=True)
class Responded:
    step: str
    signal: Signal


@dataclass(frozen=True)
class TriggerCleared:
    pass


@dataclass(frozen=True)
class Concluded:
    """Something outside the journey ends it: an order, an unsubscription, a merge."""

    outcome: Outcome


Event = TimerFired | MessageSettled | Responded | TriggerCleared | Concluded


@dataclass(frozen=True)
class Move:
    """The next state. `write`: the step whose message is to be written now."""

    enrolment: Enrolment
    write: str | None = None


def enrol(journey: Journey, now: datetime) -> Move:
    """The start of a journey."""
    return _enter(journey, Enrolment(), next(iter(journey.steps)), now)


def advance(journey: Journey, enrolment: Enrolment, event: Event, now: datetime) -> Move:
    """What an event or a timer does. Whatever comes twice, late or after the end changes nothing."""
    if enrolment.outcome:
        return Move(enrolment)
    if isinstance(event, Concluded):
        return _finish(enrolment, event.outcome, now)
    if isinstance(event, TriggerCleared):
        return Move(enrolment) if enrolment.mailed else _finish(enrolment, Outcome.RECOVERED, now)
    if isinstance(event, TimerFired):
        return _time_out(journey, enrolment, now)
    if isinstance(event, MessageSettled):
        return _settle(journey, enrolment, event, now)
    return _respond(journey, enrolment, event, now)


def _time_out(journey: Journey, enrolment: Enrolment, now: datetime) -> Move:
    if enrolment.due_at is None or enrolment.due_at > now:
        return Move(enrolment)
    step = journey.steps.get(enrolment.step)
    if not isinstance(step, Wait):
        return _finish(enrolment, Outcome.WITHDRAWN, now)
    return _enter(journey, enrolment, step.next, now)


def _settle(journey: Journey, enrolment: Enrolment, event: MessageSettled, now: datetime) -> Move:
    if enrolment.step != event.step:
        return Move(enrolment)
    if event.status is Status.SUPPRESSED:
        return _finish(enrolment, Outcome.SUPPRESSED, now)
    if event.status is Status.FAILED:
        return _finish(enrolment, Outcome.UNDELIVERABLE, now)
    step = journey.steps.get(event.step)
    if not isinstance(step, Email):
        return _finish(enrolment, Outcome.WITHDRAWN, now)
    return _enter(journey, replace(enrolment, mailed=True), step.next, now)


def _respond(journey: Journey, enrolment: Enrolment, event: Responded, now: datetime) -> Move:
    if event.step != enrolment.mail_step:
        return Move(enrolment)
    answered = replace(enrolment, responses=enrolment.responses | {event.signal})
    step = journey.steps.get(enrolment.step)
    if isinstance(step, Wait) and event.signal in step.until:
        return _enter(journey, answered, step.next, now)
    return Move(answered)


def _enter(journey: Journey, enrolment: Enrolment, id_: str, now: datetime) -> Move:
    """Goes on to a step, and through it where it asks for nothing."""
    step = journey.steps.get(id_)
    if step is None or id_ in enrolment.visited:
        return _finish(enrolment, Outcome.WITHDRAWN, now)  # only a changed journey can lead here
    here = replace(enrolment, step=id_, due_at=None, visited=(*enrolment.visited, id_))
    if isinstance(step, End):
        return _finish(here, step.outcome, now)
    if isinstance(step, Email):
        return Move(replace(here, mail_step=id_, responses=frozenset()), write=id_)
    if isinstance(step, Branch):
        return _enter(journey, here, _chosen(step, here.responses), now)
    if step.until & here.responses:
        return _enter(journey, here, step.next, now)
    return Move(replace(here, due_at=now + step.duration))


def _chosen(branch: Branch, responses: frozenset[Signal]) -> str:
    return next((target for signal, target in branch.cases if signal in responses), branch.otherwise)


def _finish(enrolment: Enrolment, outcome: Outcome, now: datetime) -> Move:
    return Move(replace(enrolment, due_at=None, outcome=outcome, ended_at=now))


def objection(*, email: str | None, consent: bool | None, has_ordered: bool, suppressed: bool) -> str | None:
    """Why nobody may write to this contact now, in plain words; None where one may.

    Consent decides where it was given or refused. Where nobody said anything, only existing customers are
    written to: people who have ordered, about what they ordered from us.
    """
    if not email:
        return "no e-mail address"
    if suppressed:
        return "the address is on the suppression list"
    if consent is False:
        return "consent to e-mail was refused"
    if consent is None and not has_ordered:
        return "no consent to e-mail, and never ordered"
    return None


def next_attempt(attempts: int, base: timedelta, now: datetime) -> datetime | None:
    """When to try again after so many attempts (doubling pauses, at most an hour); None: give up."""
    if attempts >= MAX_ATTEMPTS:
        return None
    doublings = max(0, attempts - 1)
    return now + min(base * (1 << doublings), _LONGEST_PAUSE)


def first_name(name: str | None) -> str | None:
    """How a message greets: the first word, where there is one."""
    words = (name or "").split()
    return words[0] if words else None
