"""The rules of a ticket's life. Pure: moments come in as arguments."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Status(StrEnum):
    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    SOLVED = "solved"
    CLOSED = "closed"


class Deadline(StrEnum):
    FIRST_RESPONSE = "first_response"
    RESOLUTION = "resolution"


class NotAllowed(Exception):
    """The ticket's state does not allow this; the text says what would."""


@dataclass(frozen=True)
class Terms:
    """How soon somebody answers, and how soon it is solved."""

    first_response: timedelta
    resolution: timedelta


TERMS = {
    Priority.URGENT: Terms(timedelta(minutes=15), timedelta(hours=4)),
    Priority.HIGH: Terms(timedelta(hours=1), timedelta(hours=8)),
    Priority.NORMAL: Terms(timedelta(hours=4), timedelta(days=1)),
    Priority.LOW: Terms(timedelta(hours=8), timedelta(days=3)),
}

_NEXT: dict[Status, frozenset[Status]] = {
    Status.NEW: frozenset({Status.OPEN, Status.PENDING, Status.SOLVED}),
    Status.OPEN: frozenset({Status.PENDING, Status.SOLVED}),
    Status.PENDING: frozenset({Status.OPEN, Status.SOLVED}),
    Status.SOLVED: frozenset({Status.OPEN, Status.CLOSED}),
    Status.CLOSED: frozenset(),
}


@dataclass(frozen=True)
class Ticket:
    """What the rules look at. A deadline that was met or escalated is None."""

    status: Status
    priority: Priority
    created_at: datetime
    first_response_due: datetime | None
    resolution_due: datetime | None
    first_response_at: datetime | None = None
    resolved_at: datetime | None = None
    escalated: bool = False


def open_ticket(priority: Priority, now: datetime) -> Ticket:
    """A new ticket with its two deadlines."""
    terms = TERMS[priority]
    return Ticket(Status.NEW, priority, now, now + terms.first_response, now + terms.resolution)


def move(ticket: Ticket, to: Status, now: datetime) -> Ticket:
    """Changes the status. Raises NotAllowed for a step the lifecycle does not have."""
    if to is ticket.status:
        return ticket
    if to not in _NEXT[ticket.status]:
        allowed = ", ".join(sorted(_NEXT[ticket.status])) or "nothing"
        raise NotAllowed(f"a {ticket.status} ticket cannot become {to}; it can become {allowed}")
    if to is Status.SOLVED:
        return replace(ticket, status=to, resolved_at=now, first_response_due=None, resolution_due=None)
    if ticket.status is Status.SOLVED and to is Status.OPEN:
        return replace(ticket, status=to, resolved_at=None, resolution_due=now + TERMS[ticket.priority].resolution)
    return replace(ticket, status=to)


def reply(ticket: Ticket, author: str, now: datetime) -> Ticket:
    """An agent's first answer meets its deadline; a customer's answer opens a waiting ticket again."""
    if ticket.status is Status.CLOSED:
        raise NotAllowed("a closed ticket takes no replies; open a new one")
    if author == "customer":
        return move(ticket, Status.OPEN, now) if ticket.status in (Status.PENDING, Status.SOLVED) else ticket
    answered = replace(ticket, first_response_at=ticket.first_response_at or now, first_response_due=None)
    return move(answered, Status.OPEN, now) if answered.status is Status.NEW else answered


def overdue(ticket: Ticket, now: datetime) -> list[tuple[Deadline, datetime]]:
    """The deadlines that passed unmet, each with the moment it was due."""
    dues = ((Deadline.FIRST_RESPONSE, ticket.first_response_due), (Deadline.RESOLUTION, ticket.resolution_due))
    return [(name, due) for name, due in dues if due is not None and due <= now]


def escalate(ticket: Ticket, deadlines: list[Deadline]) -> Ticket:
    """Marks deadlines as said, so that each is said once."""
    first = None if Deadline.FIRST_RESPONSE in deadlines else ticket.first_response_due
    resolution = None if Deadline.RESOLUTION in deadlines else ticket.resolution_due
    return replace(ticket, escalated=True, first_response_due=first, resolution_due=resolution)


def reprioritise(ticket: Ticket, priority: Priority) -> Ticket:
    """New terms, counted from when the ticket was opened; a deadline already met or said stays so."""
    terms = TERMS[priority]
    first = ticket.created_at + terms.first_response if ticket.first_response_due else None
    resolution = ticket.created_at + terms.resolution if ticket.resolution_due else None
    return replace(ticket, priority=priority, first_response_due=first, resolution_due=resolution)
