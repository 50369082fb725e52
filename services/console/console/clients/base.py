"""What all clients share: a call with a timeout, an answer that is checked, failures with a name."""

from typing import Any, ClassVar, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError


class Answer(BaseModel):
    """The console's own view of what another service says: what it does not know it ignores."""

    model_config = ConfigDict(extra="ignore")


AnswerT = TypeVar("AnswerT", bound=Answer)


class Person(Answer):
    id: str
    name: str | None = None


class Money(Answer):
    amount: str
    currency: str


class UpstreamError(Exception):
    """`service` as people call it; `detail` is a sentence that may be shown."""

    def __init__(self, service: str, detail: str) -> None:
        super().__init__(f"{service}: {detail}")
        self.service, self.detail = service, detail


class Unavailable(UpstreamError):
    """Cannot be reached, is too slow, or answers what cannot be understood: try again later."""


class Refused(UpstreamError):
    """Answered that this may not or cannot be done."""


class NotFound(Refused):
    """There is no such record, or the visitor's role may not see it."""


class Forbidden(Refused):
    """The visitor's role may not do this."""


class Upstream:
    """One service, called as one visitor (`token`)."""

    label: ClassVar[str]

    def __init__(self, http: httpx.AsyncClient, url: str, token: str) -> None:
        self._http, self._url = http, url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}

    async def _get(self, path: str, model: type[AnswerT], **query: str | int | None) -> AnswerT:
        """Query parameters that are None are left away. Raises UpstreamError."""
        given = {name: value for name, value in query.items() if value is not None}
        return await self._call("GET", path, model, params=given)

    async def _send(self, method: str, path: str, model: type[AnswerT], body: dict[str, Any]) -> AnswerT:
        return await self._call(method, path, model, json=body)

    async def _call(self, method: str, path: str, model: type[AnswerT], **request: Any) -> AnswerT:
        try:
            response = await self._http.request(method, self._url + path, headers=self._headers, **request)
        except httpx.TimeoutException:
            raise Unavailable(self.label, "It took too long to answer.") from None
        except httpx.HTTPError:
            raise Unavailable(self.label, "It cannot be reached.") from None
        self._check(response)
        try:
            return model.model_validate_json(response.content or b"{}")  # 204 says nothing
        except ValidationError:
            raise Unavailable(self.label, "Its answer could not be understood.") from None

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status < 400:
            return
        if status >= 500 or status in (408, 429):
            raise Unavailable(self.label, "It answered that it is not able to just now.")
        failure = {401: Forbidden, 403: Forbidden, 404: NotFound}.get(status, Refused)
        raise failure(self.label, _detail(response))


def _detail(response: httpx.Response) -> str:
    try:
        problem = response.json()
        errors = [str(error["detail"]) for error in problem.get("errors", [])]
        return " ".join([str(problem["detail"]), *errors])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"It refused (status {response.status_code})."
