"""Who a fact is about, and the ids of facts."""

import uuid
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_capture.domain import customer_key, fact_id, namespace_of, normalise, strongest

CONTRACTS = Path(__file__).parents[2] / "contracts"


def test_the_customer_key_is_blake2b_of_kind_and_value_in_base32() -> None:
    assert customer_key("email", "ada@example.com") == "c_vsikpvzrog7po75h3zhbdjtbyu"


@given(st.text(min_size=1), st.text(min_size=1))
def test_customer_keys_tell_kinds_and_values_apart(one: str, other: str) -> None:
    one, other = one.replace("\ud800", ""), other
    if one.isascii() and other.isascii():
        assert (customer_key("user_id", one) == customer_key("user_id", other)) == (one == other)
        assert customer_key("user_id", one) != customer_key("email", one)
        assert len(customer_key("user_id", one)) == 28


@pytest.mark.parametrize(
    ("kind", "given", "normal"),
    [
        ("email", " Ada@Example.COM ", "ada@example.com"),
        ("email", "ada@shop.test", "ada@shop.test"),
        ("phone", "020 7946 0018", "+442079460018"),
        ("phone", "+49 (30) 901820", "+4930901820"),
        ("user_id", 17, "17"),
        ("loyalty_number", " L-1 ", "L-1"),
    ],
)
def test_identifiers_have_one_form(kind: str, given: object, normal: str) -> None:
    assert normalise(kind, given, "GB") == normal
    assert normalise(kind, normal, "GB") == normal


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("email", "ada"),
        ("email", "a b@example.com"),
        ("email", "@example.com"),
        ("phone", "12"),
        ("phone", "call me"),
        ("user_id", "  "),
        ("user_id", True),
        ("user_id", ["a"]),
        ("user_id", "x" * 256),
    ],
)
def test_what_is_no_identifier_is_refused(kind: str, given: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalise(kind, given, "GB")


@given(st.sampled_from(["email", "phone", "user_id"]), st.text(max_size=300))
def test_normalising_never_breaks_and_is_idempotent(kind: str, text: str) -> None:
    try:
        normal = normalise(kind, text, "GB")
    except ValueError:
        return
    assert normalise(kind, normal, "GB") == normal


def test_the_strongest_identifier_names_the_customer() -> None:
    assert strongest({"anonymous_id": "a", "email": "e", "user_id": "u"}) == ("user_id", "u")
    assert strongest({"anonymous_id": "a", "phone": "p"}) == ("phone", "p")
    with pytest.raises(ValueError, match="nobody is named"):
        strongest({})


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_fact_ids_are_uuid_version_5(value: str) -> None:
    namespace = namespace_of("shop")
    assert fact_id(namespace, "message", value) == str(uuid.uuid5(uuid.UUID(str(namespace)), f"message:{value}"))


def test_fact_ids_differ_by_source_and_kind() -> None:
    ids = {fact_id(namespace_of(source), kind, "1") for source in ("a", "b") for kind in ("order", "return", "message")}
    assert len(ids) == 6


def test_the_keys_of_the_contracts_examples_agree() -> None:
    example = orjson.loads((CONTRACTS / "heed.lead.captured.v1.json").read_bytes())["example"]
    kind, value = strongest(example["identifiers"])
    assert normalise(kind, value, "GB") == value
