"""The `heed` command."""

import sys

import typer
from rich.console import Console

from heed.client import ApiError
from heed.commands import backup, imports, keys, replay, run, tokens, users
from heed.platform.errors import PlatformError

app = typer.Typer(
    help="Heed, the CRM that notices.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
app.command("install")(run.install_command)
app.command("compile")(run.compile_command)
app.command("run")(run.run)
app.command("stop")(run.stop)
app.command("status")(run.status)
app.add_typer(users.app, name="user")
app.add_typer(keys.app, name="key")
app.add_typer(imports.app, name="import")
app.add_typer(replay.app, name="replay")
app.command("token")(tokens.token)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)


def main() -> None:
    """Run the command line; what is wrong is said in one message, without a traceback."""
    try:
        app()
    except (PlatformError, ApiError) as error:
        Console(stderr=True, soft_wrap=True).print(f"heed: {error}", style="red", markup=False, highlight=False)
        sys.exit(1)
