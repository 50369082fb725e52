"""`heed user`: who may sign in to the console."""

import secrets
import sys
from typing import Annotated

import typer
from rich.table import Table

from heed.commands.context import client, console

ROLES = ("admin", "manager", "sales", "support", "marketing")

app = typer.Typer(help="Who may sign in to the console.", no_args_is_help=True)


@app.command()
def add(
    email: str,
    name: Annotated[str, typer.Option(help="Full name, as colleagues see it.")],
    role: Annotated[list[str], typer.Option(help=f"May be repeated: {', '.join(ROLES)}.")],
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
) -> None:
    """Create a sign-in. Without --password-stdin a password is made up and printed once."""
    if unknown := set(role) - set(ROLES):
        raise typer.BadParameter(f"no such role: {', '.join(sorted(unknown))}", param_hint="--role")
    password = sys.stdin.readline().rstrip("\n") if password_stdin else secrets.token_urlsafe(12)
    client().add_user(email, name, role, password)
    console.print(f"{email} may sign in" + ("." if password_stdin else f" with the password {password}"), markup=False)


@app.command("list")
def list_() -> None:
    """List the sign-ins."""
    table = Table("E-mail", "Name", "Roles")
    for user in client().list_users():
        table.add_row(user["email"], user["name"], ", ".join(user["roles"]))
    console.print(table)
