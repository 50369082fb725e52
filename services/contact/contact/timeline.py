"""Facts in plain words, as the timeline shows them. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from contact import events
from contact.money import money
from contact.trimming import shortened, trimmed

MAX_TITLE = 200
MAX_DETAIL = 2_000
_ITEMS_KEPT = 10

V = TypeVar("V", bound=events.View)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the timeline: `kind` is what a reader filters by, `data` what a page may show besides."""

    kind: str
    title: str
    detail: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Words(Generic[V]):
    """How facts of one type are read and told."""

    view: type[V]
    tell: Callable[[V], Entry]

    def entry(self, data: Mapping[str, Any]) -> Entry:
        """Raises pydantic's ValidationError for data that is not as promised."""
        told = self.tell(self.view.model_validate(data))
        detail = shortened(told.detail, MAX_DETAIL) if told.detail else None
        return Entry(told.kind, shortened(told.title, MAX_TITLE), detail, trimmed(told.data))


def entry(type_: str, data: Mapping[str, Any]) -> Entry:
    """The line for any fact; types nobody has told us about get a plain one."""
    words = _WORDS.get(type_)
    return words.entry(data) if words else _unknown(type_, data)


def _unknown(type_: str, data: Mapping[str, Any]) -> Entry:
    parts = [part for part in type_.split(".") if part not in ("heed", "v1", "v2", "v3")] or [type_]
    title = " ".join(parts).replace("_", " ").capitalize()
    text = next(
        (data[name] for name in ("sentence", "subject", "title", "name") if isinstance(data.get(name), str)), None
    )
    rest = {name: value for name, value in data.items() if name != "identifiers"}
    return Entry(
        shortened(parts[0], 50),
        shortened(title, MAX_TITLE),
        shortened(text, MAX_DETAIL) if text else None,
        trimmed(rest),
    )


def _lead(view: events.LeadCaptured) -> Entry:
    where = f" with the {view.form} form" if view.form else ""
    data = view.model_dump(include={"company", "form", "page_url", "referrer", "utm", "source"})
    return Entry("lead", f"Left their details{where}", view.message, data)


def _touchpoint(view: events.TouchpointCaptured) -> Entry:
    data = view.model_dump(include={"kind", "name", "properties", "page_url", "referrer", "utm", "source"})
    if view.kind == "identify":
        data["traits"] = view.traits
    return Entry("touchpoint", _touch_title(view), None, data)


def _touch_title(view: events.TouchpointCaptured) -> str:
    page = view.name or _path(view.page_url)
    titles = {
        "page": f"Viewed {page or 'a page'}",
        "screen": f"Opened {view.name or 'a screen'} in the app",
        "track": view.name or "Did something",
        "identify": "Said who they are",
        "group": f"Belongs to {view.traits.get('name') or 'a group'}",
        "alias": "Is the same person as before",
    }
    return titles.get(view.kind, view.name or view.kind)


def _path(url: str | None) -> str | None:
    """The path of an address; None for what is not one."""
    try:
        return urlsplit(url).path or None if url else None
    except ValueError:
        return None


def _items(items: list[events.Item]) -> str:
    count = sum(item.quantity for item in items)
    if not items or count <= 0:
        return "something"
    return f"{count:,.10g} item{'' if count == 1 else 's'}"


def _goods(view: events.OrderPlaced | events.OrderReturned) -> dict[str, Any]:
    data = view.model_dump(exclude={"items", "name"}, exclude_none=True)
    kept = [item.model_dump(exclude_none=True) for item in view.items[:_ITEMS_KEPT]]
    return {**data, "items": kept, "lines": len(view.items)}


def _order(view: events.OrderPlaced) -> Entry:
    names = ", ".join(item.name or item.sku for item in view.items[:_ITEMS_KEPT])
    return Entry("order", f"Ordered {_items(view.items)} for {money(view.total, view.currency)}", names, _goods(view))


def _return(view: events.OrderReturned) -> Entry:
    names = ", ".join(item.name or item.sku for item in view.items[:_ITEMS_KEPT])
    title = f"Returned {_items(view.items)} for {money(view.total, view.currency)}"
    return Entry("return", title, names, _goods(view))


def _consent(view: events.ConsentChanged) -> Entry:
    channel = {"email": "e-mail", "sms": "text messages", "phone": "calls"}.get(view.channel, view.channel)
    title = f"Agreed to {channel}" if view.given else f"Wants no more {channel}"
    return Entry("consent", title, view.reason, view.model_dump(include={"channel", "given"}))


_FIELDS = {"email": "e-mail", "identifiers": "ways to recognise them"}


def _contact_created(view: events.ContactChanged) -> Entry:
    return Entry("contact", "Seen for the first time", view.name or view.email)


def _contact_updated(view: events.ContactChanged) -> Entry:
    fields = ", ".join(_FIELDS.get(name, name) for name in view.changed)
    return Entry("contact", f"Details changed: {fields}" if fields else "Details changed")


def _contact_merged(view: events.ContactMerged) -> Entry:
    return Entry("contact", "Two records became one", view.reason, view.model_dump(include={"losing", "surviving"}))


def _contact_separated(view: events.ContactSeparated) -> Entry:
    return Entry("contact", "One record became two", view.reason, view.model_dump(include={"losing", "surviving"}))


def _followed(words: Callable[[events.LeadChanged], str]) -> Callable[[events.LeadChanged], Entry]:
    def tell(view: events.LeadChanged) -> Entry:
        return Entry("lead", words(view), view.reason, view.model_dump(exclude={"reason"}, exclude_none=True))

    return tell


def _owned(view: events.LeadChanged) -> str:
    return f" of {view.owner.name or view.owner.id}" if view.owner else ""


def _alert(words: str) -> Callable[[events.AlertChanged], Entry]:
    def tell(view: events.AlertChanged) -> Entry:
        outcome = f" ({view.outcome.replace('_', ' ')})" if view.outcome else ""
        data = view.model_dump(exclude={"sentence", "note"}, exclude_none=True)
        return Entry("alert", f"{words}{outcome}: {view.sentence}", view.note, data)

    return tell


def _trigger(words: str) -> Callable[[events.TriggerChanged], Entry]:
    def tell(view: events.TriggerChanged) -> Entry:
        data = view.model_dump(exclude={"sentence"}, exclude_none=True)
        return Entry("trigger", f"{words}: {view.sentence}", None, data)

    return tell


def _ticket(words: Callable[[events.TicketChanged], str]) -> Callable[[events.TicketChanged], Entry]:
    def tell(view: events.TicketChanged) -> Entry:
        data = view.model_dump(exclude={"text"}, exclude_none=True)
        return Entry("ticket", f"Ticket {view.number} {words(view)}: {view.subject}", view.text, data)

    return tell


def _replied(view: events.TicketChanged) -> str:
    return "answered by the customer" if view.author == "customer" else "answered"


def _assigned(view: events.TicketChanged) -> str:
    return f"assigned to {view.assignee.name or view.assignee.id}" if view.assignee else "unassigned"


def _escalated(view: events.TicketChanged) -> str:
    deadline = (view.deadline or "a").replace("_", " ")
    return f"missed its {deadline} deadline" if view.deadline else "missed a deadline"


def _journey(words: str) -> Callable[[events.JourneyChanged], Entry]:
    def tell(view: events.JourneyChanged) -> Entry:
        outcome = f" ({view.outcome.replace('_', ' ')})" if view.outcome else ""
        return Entry("journey", f"{words} journey {view.name or view.journey}{outcome}", None, view.model_dump())

    return tell


def _message(words: str) -> Callable[[events.MessageChanged], Entry]:
    def tell(view: events.MessageChanged) -> Entry:
        worth = f" for {money(view.total, view.currency)}" if view.total and view.currency else ""
        subject = f": {view.subject}" if view.subject else ""
        data = view.model_dump(exclude={"subject", "reason"}, exclude_none=True)
        return Entry("message", f"{words}{worth}{subject}", view.reason or view.url, data)

    return tell


_WORDS: dict[str, Words[Any]] = {
    events.LEAD: Words(events.LeadCaptured, _lead),
    events.TOUCHPOINT: Words(events.TouchpointCaptured, _touchpoint),
    events.ORDER: Words(events.OrderPlaced, _order),
    events.RETURN: Words(events.OrderReturned, _return),
    events.CONSENT_CHANGED: Words(events.ConsentChanged, _consent),
    events.CREATED: Words(events.ContactChanged, _contact_created),
    events.UPDATED: Words(events.ContactChanged, _contact_updated),
    events.MERGED: Words(events.ContactMerged, _contact_merged),
    events.SEPARATED: Words(events.ContactSeparated, _contact_separated),
    "heed.lead.created.v1": Words(events.LeadChanged, _followed(lambda view: f"Became a lead{_owned(view)}")),
    "heed.lead.assigned.v1": Words(events.LeadChanged, _followed(lambda view: f"Is now a lead{_owned(view)}")),
    "heed.lead.status_changed.v1": Words(events.LeadChanged, _followed(lambda view: f"Lead is {view.status}")),
    "heed.alert.raised.v1": Words(events.AlertChanged, _alert("Alert")),
    "heed.alert.assigned.v1": Words(events.AlertChanged, _alert("Alert got an owner")),
    "heed.alert.acknowledged.v1": Words(events.AlertChanged, _alert("Alert taken up")),
    "heed.alert.snoozed.v1": Words(events.AlertChanged, _alert("Alert put off")),
    "heed.alert.resolved.v1": Words(events.AlertChanged, _alert("Alert resolved")),
    "heed.alert.reopened.v1": Words(events.AlertChanged, _alert("Alert is open again")),
    "heed.alert.escalated.v1": Words(events.AlertChanged, _alert("Alert waits too long")),
    "heed.trigger.raised.v1": Words(events.TriggerChanged, _trigger("Noticed")),
    "heed.trigger.updated.v1": Words(events.TriggerChanged, _trigger("Still so")),
    "heed.trigger.cleared.v1": Words(events.TriggerChanged, _trigger("Over")),
    "heed.ticket.opened.v1": Words(events.TicketChanged, _ticket(lambda _: "opened")),
    "heed.ticket.replied.v1": Words(events.TicketChanged, _ticket(_replied)),
    "heed.ticket.assigned.v1": Words(events.TicketChanged, _ticket(_assigned)),
    "heed.ticket.status_changed.v1": Words(events.TicketChanged, _ticket(lambda view: f"is {view.status}")),
    "heed.ticket.escalated.v1": Words(events.TicketChanged, _ticket(_escalated)),
    "heed.journey.entered.v1": Words(events.JourneyChanged, _journey("Entered")),
    "heed.journey.ended.v1": Words(events.JourneyChanged, _journey("Left")),
    "heed.message.sent.v1": Words(events.MessageChanged, _message("E-mail sent")),
    "heed.message.suppressed.v1": Words(events.MessageChanged, _message("E-mail held back")),
    "heed.message.failed.v1": Words(events.MessageChanged, _message("E-mail failed")),
    "heed.message.unknown.v1": Words(events.MessageChanged, _message("E-mail of unknown fate")),
    "heed.message.opened.v1": Words(events.MessageChanged, _message("Opened an e-mail")),
    "heed.message.clicked.v1": Words(events.MessageChanged, _message("Clicked in an e-mail")),
    "heed.message.converted.v1": Words(events.MessageChanged, _message("Ordered after an e-mail")),
}
