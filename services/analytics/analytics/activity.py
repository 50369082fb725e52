"""What a customer does beside ordering, as counts that fade. Kept before any operator sees the fact."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from analytics.events import Event, What
from analytics.orders import DAY
from analytics.sections import Section, stored

WEB_HALF_LIFE: Final = 7 * DAY
MAIL_HALF_LIFE: Final = 30 * DAY
TICKET_HALF_LIFE: Final = 14 * DAY
RETURN_HALF_LIFE: Final = 60 * DAY


def faded(value: float, at: float, now: float, half_life: float) -> float:
    """What is left at `now` of a count that was `value` at `at` and halves every `half_life` seconds."""
    return value * 0.5 ** ((now - at) / half_life) if value and now > at else value


@dataclass(slots=True)
class Activity(Section):
    """Counts that halve, each with the moment when it was right: web facts, mails opened and clicked, tickets, returns.

    `tickets_total` and `open_tickets` do not fade.
    """

    web: float = 0.0
    web_at: float = 0.0
    opens: float = 0.0
    opens_at: float = 0.0
    clicks: float = 0.0
    clicks_at: float = 0.0
    tickets: float = 0.0
    tickets_at: float = 0.0
    returned: float = 0.0
    returned_at: float = 0.0
    tickets_total: int = 0
    open_tickets: int = 0

    def note(self, event: Event) -> None:
        """Counts a fact."""
        what, at = event.what, event.time
        if what is What.TOUCHPOINT or what is What.LEAD:
            self.web, self.web_at = _added(self.web, self.web_at, at, WEB_HALF_LIFE)
        elif what is What.MESSAGE_OPENED:
            self.opens, self.opens_at = _added(self.opens, self.opens_at, at, MAIL_HALF_LIFE)
        elif what is What.MESSAGE_CLICKED:
            self.clicks, self.clicks_at = _added(self.clicks, self.clicks_at, at, MAIL_HALF_LIFE)
        elif what is What.RETURN:
            self.returned, self.returned_at = _added(self.returned, self.returned_at, at, RETURN_HALF_LIFE)
        elif what is What.TICKET_OPENED:
            self.tickets, self.tickets_at = _added(self.tickets, self.tickets_at, at, TICKET_HALF_LIFE)
            self.tickets_total += 1
            self.open_tickets += 1
        elif what is What.TICKET_STATUS and event.data.get("status") == "solved":
            self.open_tickets = max(0, self.open_tickets - 1)

    def web_now(self, now: float) -> float:
        return faded(self.web, self.web_at, now, WEB_HALF_LIFE)

    def opens_now(self, now: float) -> float:
        return faded(self.opens, self.opens_at, now, MAIL_HALF_LIFE)

    def clicks_now(self, now: float) -> float:
        return faded(self.clicks, self.clicks_at, now, MAIL_HALF_LIFE)

    def tickets_now(self, now: float) -> float:
        return faded(self.tickets, self.tickets_at, now, TICKET_HALF_LIFE)

    def returned_now(self, now: float) -> float:
        return faded(self.returned, self.returned_at, now, RETURN_HALF_LIFE)

    def merge(self, other: "Activity") -> None:
        self.web, self.web_at = _sum(self.web, self.web_at, other.web, other.web_at, WEB_HALF_LIFE)
        self.opens, self.opens_at = _sum(self.opens, self.opens_at, other.opens, other.opens_at, MAIL_HALF_LIFE)
        self.clicks, self.clicks_at = _sum(self.clicks, self.clicks_at, other.clicks, other.clicks_at, MAIL_HALF_LIFE)
        self.tickets, self.tickets_at = _sum(
            self.tickets, self.tickets_at, other.tickets, other.tickets_at, TICKET_HALF_LIFE
        )
        self.returned, self.returned_at = _sum(
            self.returned, self.returned_at, other.returned, other.returned_at, RETURN_HALF_LIFE
        )
        self.tickets_total += other.tickets_total
        self.open_tickets += other.open_tickets


stored(Activity, 2, Struct("<10d2I"))


def _added(value: float, at: float, now: float, half_life: float) -> tuple[float, float]:
    return faded(value, at, now, half_life) + 1.0, max(at, now)


def _sum(a: float, a_at: float, b: float, b_at: float, half_life: float) -> tuple[float, float]:
    at = max(a_at, b_at)
    return faded(a, a_at, at, half_life) + faded(b, b_at, at, half_life), at
