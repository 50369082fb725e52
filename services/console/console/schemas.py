"""The wire forms of the users' API."""

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from console.domain import Role
from console.models import UserRow

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not a time zone of the IANA list, like Europe/London")
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class NewUser(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: EmailStr
    name: Name
    roles: Annotated[list[Role], Field(min_length=1)]
    password: Annotated[str, StringConstraints(min_length=8, max_length=200)]
    time_zone: TimeZone = "Europe/London"


class User(BaseModel):
    id: str
    email: str
    name: str
    roles: list[Role]
    time_zone: str

    @classmethod
    def of(cls, row: UserRow) -> "User":
        return cls.model_validate(row, from_attributes=True)


class UserPage(BaseModel):
    items: list[User]
    next: str | None
