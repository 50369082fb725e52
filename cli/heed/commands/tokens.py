"""`heed token`: bearer tokens for the services' HTTP APIs."""

from datetime import timedelta
from typing import Annotated

import typer

from heed.commands.context import mint_token
from heed.commands.users import ROLES


def token(
    name: Annotated[str, typer.Argument(help="Whom or what the token is for; shows in logs.")],
    role: Annotated[list[str], typer.Option(help=f"May be repeated: {', '.join(ROLES)}, service.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it expires.")] = 30,
) -> None:
    """Print a bearer token."""
    if unknown := set(role) - {*ROLES, "service"}:
        raise typer.BadParameter(f"no such role: {', '.join(sorted(unknown))}", param_hint="--role")
    typer.echo(mint_token(name, frozenset(role), timedelta(days=days)))
