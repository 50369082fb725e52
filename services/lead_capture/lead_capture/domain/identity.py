"""Who a fact is about: identifiers in their one normal form, and the customer key of the strongest."""

from collections.abc import Mapping
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from common.keys import entity_key

KINDS = ("user_id", "loyalty_number", "email", "phone", "anonymous_id")  # the strongest first
MAX_IDENTIFIER = 255


@lru_cache(maxsize=65_536)
def customer_key(kind: str, value: str) -> str:
    """`c_…` of a normalised identifier, the same wherever it is computed."""
    return entity_key("c", kind, value)


def strongest(identifiers: Mapping[str, str]) -> tuple[str, str]:
    """(kind, value) of the identifier that names the customer. Raises ValueError when there is none."""
    for kind in KINDS:
        value = identifiers.get(kind)
        if value:
            return kind, value
    raise ValueError(f"nobody is named; give at least one of {', '.join(KINDS)}")


def normalise(kind: str, value: object, region: str) -> str:
    """The one form of an identifier. `region` is where a phone number without + belongs. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("must be a text")
    if len(value) > MAX_IDENTIFIER:
        raise ValueError(f"is longer than {MAX_IDENTIFIER} characters")
    text = value.strip()
    if not text:
        raise ValueError("is empty")
    if kind == "email":
        return _email(text)
    return _phone(text, region) if kind == "phone" else text


@lru_cache(maxsize=65_536)
def _email(text: str) -> str:
    # No DNS: what can be delivered to is not ours to find out while somebody waits.
    try:
        checked = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address: {error}") from None
    return checked.normalized.lower()


@lru_cache(maxsize=65_536)
def _phone(text: str, region: str) -> str:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise ValueError(f"is not a phone number: {error}") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("is not a phone number of any country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
