"""`heed key`: write keys of the sources that post to Heed."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from heed.commands.context import client, console

app = typer.Typer(help="Write keys of the sources that post to Heed.", no_args_is_help=True)


class Kind(StrEnum):
    """Public keys may stand in a browser's page; server keys may not, and may import history."""

    public = "public"
    server = "server"


@app.command()
def add(
    name: str,
    kind: Annotated[
        Kind, typer.Option(help="public: for a browser; server: for a till or a back office.")
    ] = Kind.public,
    origin: Annotated[list[str] | None, typer.Option(help="Web origin a public key is for. May be repeated.")] = None,
) -> None:
    """Create a key; it is shown this once."""
    console.print(client().add_key(name, kind.value, origin or [])["key"], markup=False)


@app.command("list")
def list_() -> None:
    """List the keys, without the keys themselves."""
    table = Table("Id", "Name", "Kind", "Created", "Revoked")
    for key in client().list_keys():
        dates = [str(key.get(field) or "") for field in ("created_at", "revoked_at")]
        table.add_row(key["id"], key["name"], key["kind"], *dates)
    console.print(table)


@app.command()
def revoke(key_id: str) -> None:
    """Refuse a key from now on."""
    client().revoke_key(key_id)
    console.print("revoked")
