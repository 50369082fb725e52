"""Tokens: who may pass, and that nobody else does."""

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.tokens import Principal, TokenError, TokenVerifier, generate_keys, mint

PRIVATE, PUBLIC = generate_keys()
VERIFIER = TokenVerifier(PUBLIC)
HOUR = timedelta(hours=1)


def _refused(token: str) -> str:
    with pytest.raises(TokenError) as raised:
        VERIFIER.verify(token)
    return str(raised.value)


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _claims(**changed: object) -> dict[str, object]:
    claims = {"sub": "u1", "roles": ["admin"], "aud": "heed", "exp": datetime.now(UTC).timestamp() + 60}
    return {name: value for name, value in (claims | changed).items() if value is not None}


def test_a_minted_token_says_who_calls() -> None:
    caller = VERIFIER.verify(mint(PRIVATE, "u1", "Ada", frozenset({"sales", "support"}), HOUR))
    assert caller == Principal("u1", "Ada", frozenset({"sales", "support"}))
    assert caller.may("support", "marketing")
    assert not caller.may("marketing")


def test_admin_may_everything() -> None:
    assert VERIFIER.verify(mint(PRIVATE, "u1", "Ada", frozenset({"admin"}), HOUR)).may("sales")


def test_an_expired_token_is_refused() -> None:
    assert "expired" in _refused(mint(PRIVATE, "u1", "Ada", frozenset(), -HOUR))


def test_another_key_is_refused() -> None:
    other, _ = generate_keys()
    _refused(mint(other, "u1", "Ada", frozenset({"admin"}), HOUR))


def test_no_algorithm_is_refused() -> None:
    _refused(f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(_claims())}.")


def test_the_public_key_as_a_shared_secret_is_refused() -> None:
    secret = base64.urlsafe_b64decode(PUBLIC + "=")
    _refused(jwt.encode(_claims(), secret, algorithm="HS256"))


@pytest.mark.parametrize("changed", [{"aud": "elsewhere"}, {"aud": None}, {"exp": None}, {"sub": None}])
def test_missing_or_foreign_claims_are_refused(changed: dict[str, object]) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(PRIVATE + "="))
    _refused(jwt.encode(_claims(**changed), key, algorithm="EdDSA"))


def test_a_changed_token_is_refused() -> None:
    head, body, signature = mint(PRIVATE, "u1", "Ada", frozenset({"sales"}), HOUR).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    _refused(f"{head}.{_segment(claims | {'roles': ['admin']})}.{signature}")


@given(st.text(max_size=80))
def test_any_text_is_refused_and_nothing_breaks(text: str) -> None:
    _refused(text)
