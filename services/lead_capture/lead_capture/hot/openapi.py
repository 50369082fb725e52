"""What FastAPI does not know of the OpenAPI document: the capture routes, which run before it, and all refusals."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from lead_capture.domain.segment import KINDS
from lead_capture.schemas import Lead, Order

_REF = "#/components/schemas/{model}"
_JSON, _FORM, _PROBLEM = "application/json", "application/x-www-form-urlencoded", "application/problem+json"
_REFUSALS = {
    "400": "Not JSON",
    "401": "No live write key or token",
    "403": "Not for this role, kind of key or origin",
    "404": "No such thing here",
    "409": "The first request with this Idempotency-Key is in flight, or the import has ended",
    "413": "Too large",
    "415": "Another content type",
    "422": "JSON, but not of the form this route needs; or the Idempotency-Key was used with another body",
    "429": "Too much at once; see Retry-After",
    "503": "Neither bus nor database can be reached; see Retry-After",
}
_HEADERS = [
    {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": text}
    for name, text in (
        ("Idempotency-Key", "the same request again gets the same answer"),
        ("Heed-Import", "marks history; server keys only"),
    )
]


def describe(app: FastAPI) -> None:
    """Adds the routes to what `/openapi.json` answers."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        if "/v1/leads" not in document["paths"]:
            _add(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _add(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    components.setdefault("securitySchemes", {})["writeKey"] = {
        "type": "http",
        "scheme": "basic",
        "description": "the write key as user name; Bearer and, for public keys, ?writeKey= do as well",
    }
    schemas = components.setdefault("schemas", {})
    accepted = {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}, "required": ["id"]}
    paths = document["paths"]
    for operations in paths.values():
        for operation in operations.values():
            operation["responses"].update(_refusals())
    paths["/v1/leads"] = _post("Capture a lead", _body(schemas, Lead, _JSON, _FORM), "202", accepted, _HEADERS)
    paths["/v1/orders"] = _post("Capture an order or a return", _body(schemas, Order, _JSON), "202", accepted, _HEADERS)
    success = {"type": "object", "properties": {"success": {"const": True}}, "required": ["success"]}
    for kind in sorted(KINDS):
        event = {"required": True, "content": {_JSON: {"schema": {"type": "object"}}}}
        paths[f"/v1/{kind}"] = _post(f"Segment HTTP API: {kind}", event, "200", success, _HEADERS[1:])
    batch = {"type": "object", "properties": {"batch": {"type": "array", "items": {}}}, "required": ["batch"]}
    events = {"required": True, "content": {_JSON: {"schema": batch}}}
    paths["/v1/batch"] = _post("Segment HTTP API: batch", events, "200", success, _HEADERS[1:])


def _body(schemas: dict[str, Any], model: type[BaseModel], *kinds: str) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_REF)
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema
    reference = {"$ref": _REF.format(model=model.__name__)}
    return {"required": True, "content": {kind: {"schema": reference} for kind in kinds}}


def _post(
    summary: str, body: dict[str, Any], status: str, answer: dict[str, Any], parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    success = {"description": "Safe, on the bus or in the outbox", "content": {_JSON: {"schema": answer}}}
    return {
        "post": {
            "summary": summary,
            "tags": ["capture"],
            "security": [{"writeKey": []}],
            "parameters": parameters,
            "requestBody": body,
            "responses": {status: success, **_refusals()},
        }
    }


def _refusals() -> dict[str, Any]:
    return {
        code: {"description": text, "content": {_PROBLEM: {"schema": {"type": "object"}}}}
        for code, text in _REFUSALS.items()
    }
