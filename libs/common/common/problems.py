"""Errors of an HTTP API as RFC 9457 problem documents."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response


class Problem(Exception):
    """Answers the request with `status` and a sentence that says what happened and what to do next."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers


def not_found(what: str) -> Problem:
    """Also stands for a record that the caller's role may not see."""
    return Problem(404, f"There is no {what} here.")


def problem_body(
    status: int,
    detail: str,
    *,
    instance: str = "",
    request_id: str = "",
    errors: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if instance:
        body["instance"] = instance
    if request_id:
        body["request_id"] = request_id
    if errors:
        body["errors"] = list(errors)
    return orjson.dumps(body)


def problem_response(
    status: int,
    detail: str,
    *,
    instance: str = "",
    request_id: str = "",
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = problem_body(status, detail, instance=instance, request_id=request_id, errors=errors)
    return Response(body, status, headers=dict(headers or {}), media_type="application/problem+json")
