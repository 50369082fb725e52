"""Whatever people do with a ticket, in whatever order: what must hold of it holds."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ticketing.domain import (
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

DONE = (Status.SOLVED, Status.CLOSED)


class TicketLife(RuleBasedStateMachine):
    ticket: Ticket

    @initialize(priority=st.sampled_from(Priority))
    def opened(self, priority: Priority) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.ticket = open_ticket(priority, self.now)
        self.answered_at: datetime | None = None
        self.said: dict[Deadline, int] = dict.fromkeys(Deadline, 0)
        self.reopened = 0

    @rule(minutes=st.integers(1, 3_000))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(to=st.sampled_from(Status))
    def moved(self, to: Status) -> None:
        before = self.ticket
        try:
            self.ticket = move(before, to, self.now)
        except NotAllowed:
            assert self.ticket is before
        self._count_reopening(before)

    @rule(author=st.sampled_from(("agent", "customer")))
    def replied(self, author: str) -> None:
        before = self.ticket
        try:
            self.ticket = reply(before, author, self.now)
        except NotAllowed:
            assert before.status is Status.CLOSED
            return
        if author == "agent":
            self.answered_at = self.answered_at or self.now
            assert self.ticket.first_response_due is None
        self._count_reopening(before)

    @rule(priority=st.sampled_from(Priority))
    def reprioritised(self, priority: Priority) -> None:
        before = self.ticket
        self.ticket = reprioritise(before, priority)
        assert (self.ticket.first_response_due is None) == (before.first_response_due is None)
        assert (self.ticket.resolution_due is None) == (before.resolution_due is None)

    @rule()
    def checked(self) -> None:
        missed = [deadline for deadline, due in overdue(self.ticket, self.now) if due <= self.now]
        if missed:
            self.ticket = escalate(self.ticket, missed)
        for deadline in missed:
            self.said[deadline] += 1
        assert overdue(self.ticket, self.now) == []

    def _count_reopening(self, before: Ticket) -> None:
        self.reopened += before.status is Status.SOLVED and self.ticket.status is Status.OPEN

    @invariant()
    def what_is_done_has_no_deadline(self) -> None:
        if self.ticket.status in DONE:
            assert (self.ticket.first_response_due, self.ticket.resolution_due) == (None, None)

    @invariant()
    def resolved_means_done(self) -> None:
        assert (self.ticket.resolved_at is not None) == (self.ticket.status in DONE)

    @invariant()
    def the_first_answer_stays_the_first(self) -> None:
        assert self.ticket.first_response_at == self.answered_at

    @invariant()
    def each_deadline_is_said_once_for_each_time_it_was_set(self) -> None:
        assert self.said[Deadline.FIRST_RESPONSE] <= 1
        assert self.said[Deadline.RESOLUTION] <= 1 + self.reopened
        assert self.ticket.escalated == any(self.said.values())


TicketLife.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTicketLife = TicketLife.TestCase
