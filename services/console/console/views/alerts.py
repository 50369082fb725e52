"""What the Alerts page asks and how a row is made."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from console.clients.sales import Alert
from console.views.sparkline import Spark, spark

STATUSES = ("open", "acknowledged", "snoozed", "resolved", "all")
KINDS = (
    "purchase_silence",
    "spend_deviation",
    "churn_risk",
    "purchase_frequency",
    "channel_change",
    "basket_mix",
    "return_rate",
    "web_activity",
    "support_load",
    "standing_query",
)
OUTCOMES = ("contacted", "recovered", "lost", "no_action", "false_alarm")
SNOOZES = {"hour": "1 hour", "tomorrow": "Tomorrow, 9:00", "week": "Next week"}


@dataclass(frozen=True)
class AlertFilter:
    """What of all alerts a page shows. `owner` is a user's id, None for everybody's.

    Of the open ones it shows those before people, or with `more` those that wait for room in their owner's day.
    """

    status: str = "open"
    kind: str | None = None
    owner: str | None = None
    more: bool = False

    @property
    def surfaced(self) -> bool | None:
        """What sales is asked for."""
        return not self.more if self.status == "open" else None

    def shows(self, alert: Alert) -> bool:
        return (
            self.status in ("all", alert.status)
            and self.surfaced in (None, alert.surfaced)
            and self.kind in (None, alert.kind)
            and (self.owner is None or (alert.owner is not None and alert.owner.id == self.owner))
        )

    def query(self, **changes: str | None) -> str:
        """As a query string, with some of it changed."""
        mine = "me" if self.owner else None
        more = "1" if self.more else None
        values = {"status": self.status, "kind": self.kind, "owner": mine, "more": more} | changes
        given = {name: value for name, value in values.items() if value and (name, value) != ("status", "open")}
        return f"?{urlencode(given)}" if given else ""


@dataclass(frozen=True)
class Row:
    alert: Alert
    name: str
    spark: Spark | None
    overdue: bool

    @property
    def closed(self) -> bool:
        return self.alert.status == "resolved"


def row(alert: Alert, names: dict[str, str], now: datetime) -> Row:
    """`names` are of customers whose name sales did not know."""
    waiting = alert.status in ("open", "acknowledged")
    return Row(
        alert=alert,
        name=alert.customer.name or names.get(alert.customer.id) or "Unnamed customer",
        spark=spark(alert.recent_orders, alert.kind, alert.created_at),
        overdue=waiting and alert.due_at is not None and alert.due_at < now,
    )


def snooze_until(choice: str, now: datetime, zone: ZoneInfo) -> datetime:
    """`hour`; `tomorrow` and `week` are at 9:00 where the visitor is, `week` on the next Monday."""
    if choice == "hour":
        return now + timedelta(hours=1)
    local = now.astimezone(zone)
    ahead = 7 - local.weekday() if choice == "week" else 1
    return datetime.combine(local.date() + timedelta(days=ahead), time(9), tzinfo=zone)
