"""Wire models of the native API. Unknown fields are refused: a misspelt `total` must not pass in silence."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from lead_capture.domain.moment import parse_moment
from lead_capture.domain.money import currency_code, decimal_of

MAX_ITEMS = 2_500


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _text_of_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Blank = BeforeValidator(_blank_is_none)
Short = Annotated[Annotated[str, StringConstraints(max_length=255)] | None, Blank]
Line = Annotated[Annotated[str, StringConstraints(max_length=2_048)] | None, Blank]
Prose = Annotated[Annotated[str, StringConstraints(max_length=16_384)] | None, Blank]
Identifier = Annotated[Short, BeforeValidator(_text_of_number)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=255), BeforeValidator(_text_of_number)]
# `decimal_of` says all there is to say; pydantic's own check of a Decimal after it cost more than the rest of an item.
Amount = Annotated[
    Decimal, PlainValidator(decimal_of), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})
]
Currency = Annotated[str, BeforeValidator(currency_code)]
Moment = Annotated[datetime, BeforeValidator(parse_moment)]


Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?$")]


class Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Consent(Wire):
    """What the person agreed to, in the words that were shown."""

    given: bool
    text: Prose = None
    channel: Short = None


class Lead(Wire):
    """`POST /v1/leads`. E-mail or phone is needed; `website` is the honeypot that people do not see."""

    name: Short = None
    email: Short = None
    phone: Short = None
    company: Short = None
    message: Prose = None
    consent: Consent | bool | None = None
    utm_source: Short = None
    utm_medium: Short = None
    utm_campaign: Short = None
    utm_term: Short = None
    utm_content: Short = None
    page_url: Line = None
    referrer: Line = None
    form: Short = None
    redirect: Line = None
    website: Line = None


class Customer(Wire):
    """Whom an order belongs to: at least one identifier."""

    user_id: Identifier = None
    loyalty_number: Identifier = None
    email: Short = None
    phone: Short = None
    name: Short = None


class Item(Wire):
    """A line of an order. `quantity` may be a weight."""

    sku: Code
    name: Short = None
    quantity: Amount
    unit_price: Amount


class Order(Wire):
    """`POST /v1/orders`. A return (`type`) has an id of its own: `return_id`, or `order_id` where that is absent."""

    order_id: Code
    return_id: Code | None = None
    customer: Customer
    items: Annotated[list[Item], Field(max_length=MAX_ITEMS)] = []
    total: Amount | None = None
    currency: Currency
    time: Moment | None = None
    channel: Short = None
    type: Literal["order", "return"] = "order"


class NewKey(Wire):
    """`name` is the source that the key stands for; a second key of that name is how one rotates."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$")]
    kind: Literal["public", "server"]
    origins: Annotated[list[Origin], Field(max_length=50)] = []


class KeyOut(BaseModel):
    id: str
    name: str
    kind: Literal["public", "server"]
    origins: list[str]
    prefix: str
    created_at: datetime
    revoked_at: datetime | None = None


class KeyCreated(KeyOut):
    """The only time `key` is shown."""

    key: str


class KeyList(BaseModel):
    items: list[KeyOut]
    next: str | None = None


class ImportOut(BaseModel):
    id: str
    started_at: datetime


class Status(BaseModel):
    """How this replica stands: `mode` is direct or spooling, `spooled` the facts waiting in the outbox."""

    mode: Literal["direct", "spooling"]
    spooled: int
    unacknowledged: int
    ticking: bool
    last_tick: datetime | None
    aliases: int
    keys: int
