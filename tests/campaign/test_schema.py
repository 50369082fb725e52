"""The migrations make the tables that the models describe; the contracts' examples fit what campaign reads."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from jsonschema import validate
from pydantic import BaseModel
from sqlalchemy import Connection

from campaign import events
from campaign.models import Base
from common.database import Database

CONTRACTS = Path(__file__).parents[2] / "contracts"
EMITTED = [events.ENTERED, events.ENDED, events.OPENED, events.CLICKED, events.CONVERTED, *events.SETTLED.values()]
READ = {
    events.CONTACT_CREATED: events.ContactKnown,
    events.CONTACT_UPDATED: events.ContactKnown,
    events.CONTACT_MERGED: events.ContactMerged,
    events.CONSENT_CHANGED: events.ConsentChanged,
    events.ORDER_PLACED: events.OrderPlaced,
}


async def test_models_and_migrations_agree(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"include_name": _ours})
        return list(compare_metadata(context, Base.metadata))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


def _ours(name: str | None, kind: str, _: object) -> bool:
    return kind != "table" or name in Base.metadata.tables


def contract(type_: str) -> dict[str, Any]:
    return dict(orjson.loads((CONTRACTS / f"{type_}.json").read_bytes()))


@pytest.mark.parametrize("type_", EMITTED)
def test_the_examples_of_what_we_emit_fit_their_schemas(type_: str) -> None:
    validate(contract(type_)["example"], contract(type_)["schema"])


@pytest.mark.parametrize(("type_", "view"), READ.items())
def test_we_read_the_examples_of_others(type_: str, view: type[BaseModel]) -> None:
    view.model_validate(contract(type_)["example"])


@pytest.mark.parametrize("broken", [{"contact": "c\0"}, {"email": "a\0@b"}, {"traits": {"a": ["\0"]}}])
def test_what_the_database_cannot_keep_is_invalid(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="NUL"):
        events.ContactKnown.model_validate({"contact": "c_x"} | broken)


def test_names_become_one_printable_line() -> None:
    view = events.ContactKnown.model_validate({"contact": "c_x", "name": " Ada\r\nBcc: eve@example.com\x07 "})
    assert view.name == "Ada Bcc: eve@example.com"
    assert events.ContactKnown.model_validate({"contact": "c_x", "name": " \n "}).name is None
