"""The service answers as its OpenAPI document says, whatever is sent; its tables are as the models say."""

from typing import Any

import pytest
import schemathesis
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from sqlalchemy import Connection

from common.database import Database
from lead_capture.models import METADATA

FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def document(capture: Any) -> Any:
    return schemathesis.openapi.from_url(f"{capture.url}/openapi.json")


def call_each(document: Any, paths: str, **options: Any) -> None:
    """Some requests to each operation, answers held against the document."""
    operations = [found.ok() for found in document.include(path_regex=paths).get_all_operations()]
    assert operations
    for operation in operations:

        @FEW
        @given(operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(**options)

        check()


def test_the_administration(capture: Any, document: Any) -> None:
    call_each(document, "^/v1/(keys|status)", headers=capture.admin)


def test_capture(capture: Any, document: Any) -> None:
    headers = {"authorization": f"Bearer {capture.server_key()}"}
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    call_each(document, "^/v1/(leads|orders|track|identify|batch|imports)", headers=headers, checks=checks)


async def test_models_and_migrations_agree(capture: Any) -> None:
    def differences(connection: Connection) -> list[object]:
        ours = {"include_name": lambda name, kind, _: kind != "table" or name in METADATA.tables}
        return list(compare_metadata(MigrationContext.configure(connection, opts=ours), METADATA))

    database = Database(capture.environment["LEAD_CAPTURE_DATABASE_URL"])
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()
