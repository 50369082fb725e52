"""The rules of a ticket's life, by themselves."""

from datetime import UTC, datetime, timedelta

import pytest

from ticketing.domain import (
    TERMS,
    Deadline,
    NotAllowed,
    Priority,
    Status,
    Ticket,
    escalate,
    move,
    open_ticket,
    overdue,
    reply,
    reprioritise,
)

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def _in(status: Status) -> Ticket:
    ticket = open_ticket(Priority.NORMAL, NOW)
    steps = {
        Status.NEW: (),
        Status.OPEN: (Status.OPEN,),
        Status.PENDING: (Status.PENDING,),
        Status.SOLVED: (Status.SOLVED,),
        Status.CLOSED: (Status.SOLVED, Status.CLOSED),
    }
    for step in steps[status]:
        ticket = move(ticket, step, NOW)
    return ticket


@pytest.mark.parametrize("priority", Priority)
def test_a_new_ticket_has_the_deadlines_of_its_priority(priority: Priority) -> None:
    ticket = open_ticket(priority, NOW)
    assert ticket.status is Status.NEW
    assert ticket.first_response_due == NOW + TERMS[priority].first_response
    assert ticket.resolution_due == NOW + TERMS[priority].resolution


def test_the_more_urgent_the_sooner() -> None:
    order = [Priority.URGENT, Priority.HIGH, Priority.NORMAL, Priority.LOW]
    assert sorted(order, key=lambda priority: TERMS[priority].first_response) == order
    assert sorted(order, key=lambda priority: TERMS[priority].resolution) == order


@pytest.mark.parametrize(
    ("before", "allowed"),
    [
        (Status.NEW, {Status.OPEN, Status.PENDING, Status.SOLVED}),
        (Status.OPEN, {Status.PENDING, Status.SOLVED}),
        (Status.PENDING, {Status.OPEN, Status.SOLVED}),
        (Status.SOLVED, {Status.OPEN, Status.CLOSED}),
        (Status.CLOSED, set()),
    ],
)
def test_the_lifecycle(before: Status, allowed: set[Status]) -> None:
    for to in Status:
        if to in allowed or to is before:
            assert move(_in(before), to, LATER).status is to
        else:
            with pytest.raises(NotAllowed, match=f"a {before} ticket cannot become {to}"):
                move(_in(before), to, LATER)


def test_solving_meets_both_deadlines() -> None:
    solved = move(_in(Status.OPEN), Status.SOLVED, LATER)
    assert (solved.resolved_at, solved.first_response_due, solved.resolution_due) == (LATER, None, None)


def test_opening_again_sets_a_fresh_deadline() -> None:
    again = move(_in(Status.SOLVED), Status.OPEN, LATER)
    assert (again.resolved_at, again.resolution_due) == (None, LATER + TERMS[Priority.NORMAL].resolution)


def test_an_agents_first_answer_meets_its_deadline_once() -> None:
    answered = reply(_in(Status.NEW), "agent", LATER)
    assert (answered.status, answered.first_response_at, answered.first_response_due) == (Status.OPEN, LATER, None)
    assert reply(answered, "agent", LATER + timedelta(hours=1)).first_response_at == LATER


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Status.NEW, Status.NEW),
        (Status.OPEN, Status.OPEN),
        (Status.PENDING, Status.OPEN),
        (Status.SOLVED, Status.OPEN),
    ],
)
def test_a_customers_answer_opens_what_waits(before: Status, after: Status) -> None:
    answered = reply(_in(before), "customer", LATER)
    assert answered.status is after
    assert answered.first_response_at is None


@pytest.mark.parametrize("author", ["agent", "customer"])
def test_a_closed_ticket_takes_no_replies(author: str) -> None:
    with pytest.raises(NotAllowed, match="open a new one"):
        reply(_in(Status.CLOSED), author, LATER)


def test_a_deadline_is_missed_at_its_moment_and_said_once() -> None:
    ticket = open_ticket(Priority.URGENT, NOW)
    due = NOW + TERMS[Priority.URGENT].first_response
    assert overdue(ticket, due - timedelta(microseconds=1)) == []
    assert overdue(ticket, due) == [(Deadline.FIRST_RESPONSE, due)]
    said = escalate(ticket, [Deadline.FIRST_RESPONSE])
    assert said.escalated
    assert overdue(said, due) == []
    assert overdue(said, NOW + timedelta(days=1))[0][0] is Deadline.RESOLUTION


def test_another_priority_counts_from_the_opening_and_revives_nothing() -> None:
    answered = reply(open_ticket(Priority.LOW, NOW), "agent", LATER)
    urgent = reprioritise(answered, Priority.URGENT)
    assert urgent.first_response_due is None
    assert urgent.resolution_due == NOW + TERMS[Priority.URGENT].resolution
