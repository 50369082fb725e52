"""`heed backup` and `heed restore`: all of an installation's data, while it is stopped."""

from pathlib import Path

from heed.backup import create_backup, restore_backup
from heed.commands.context import console, installation


def backup(directory: Path) -> None:
    """Write databases, log and secrets to DIRECTORY. Heed must be stopped."""
    manifest = create_backup(installation(), directory)
    console.print(f"backed up {manifest.files} files, {manifest.bytes / 2**20:.1f} MiB, to {directory}", markup=False)


def restore(directory: Path) -> None:
    """Put back what `heed backup` wrote to DIRECTORY. Heed must be stopped; present data is set aside, not deleted."""
    aside = restore_backup(installation(), directory)
    if aside is not None:
        console.print(f"the data that was there is now in {aside}", markup=False)
    console.print("restored; start it with: make run")
