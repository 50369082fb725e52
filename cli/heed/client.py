"""The services' HTTP APIs, as the command line uses them."""

from collections.abc import Mapping
from typing import Any

import httpx

JSON = dict[str, Any]


class ApiError(Exception):
    """A service refused, or cannot be reached; the message is for people."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ApiClient:
    """Calls services by name with one bearer token. Every method raises ApiError."""

    def __init__(self, urls: Mapping[str, str], token: str) -> None:
        self._urls = urls
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)

    def add_user(self, email: str, name: str, roles: list[str], password: str) -> JSON:
        """Create a sign-in of the console."""
        body = {"email": email, "name": name, "roles": roles, "password": password}
        return self._call("POST", "console", "/v1/users", body)

    def list_users(self) -> list[JSON]:
        """All sign-ins."""
        return self._all("console", "/v1/users")

    def add_key(self, name: str, kind: str, origins: list[str]) -> JSON:
        """Create a source's write key; `key` is in this answer only."""
        body: JSON = {"name": name, "kind": kind}
        if origins:
            body["origins"] = origins
        return self._call("POST", "lead_capture", "/v1/keys", body)

    def list_keys(self) -> list[JSON]:
        """All write keys, without the keys themselves."""
        return self._all("lead_capture", "/v1/keys")

    def revoke_key(self, key_id: str) -> None:
        """End a write key's life."""
        self._call("DELETE", "lead_capture", f"/v1/keys/{key_id}")

    def _all(self, service: str, path: str) -> list[JSON]:
        items: list[JSON] = []
        cursor: str | None = None
        while True:
            params = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
            page = self._call("GET", service, path, params=params)
            items += page["items"]
            cursor = page.get("next")
            if not cursor:
                return items

    def _call(
        self, method: str, service: str, path: str, body: JSON | None = None, params: Mapping[str, str] | None = None
    ) -> JSON:
        try:
            answer = self._client.request(method, self._urls[service] + path, json=body, params=params)
        except httpx.HTTPError as error:
            raise ApiError(f"{service} cannot be reached ({error}). Is Heed running? heed status tells.") from None
        if answer.is_error:
            raise ApiError(_reason(service, answer), answer.status_code)
        return answer.json() if answer.content else {}


def _reason(service: str, answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    details = [f"{e.get('pointer', '')} {e.get('detail', '')}".strip() for e in problem.get("errors") or []]
    said = "; ".join([str(problem.get("detail") or problem.get("title") or answer.reason_phrase), *details])
    return f"{service} answered {answer.status_code}: {said}"
