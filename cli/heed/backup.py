"""Backup and restore of a whole installation: databases, log, mail, secrets, as one consistent copy.

Both need a stopped installation. A copy of running parts would not fit together: databases and log are read one
after the other, and a service's place in the log is kept in its database or in the broker, so one of them would be
ahead.
"""

import hashlib
import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ValidationError

from heed.platform.errors import PlatformError
from heed.platform.installation import Installation
from heed.platform.layout import Layout, write_private
from heed.platform.runfile import RunFile

ARCHIVE = "heed.tar.gz"
MANIFEST = "manifest.json"
FORMAT = 1


class Manifest(BaseModel):
    """What an archive holds; `sha256` is the archive's."""

    format: int = FORMAT
    created_at: datetime
    files: int
    bytes: int
    sha256: str


def create_backup(installation: Installation, directory: Path) -> Manifest:
    """Copy the data to `directory`, which must not hold a backup yet.

    Raises:
        PlatformError: Heed runs, there is nothing to copy, or the data lies elsewhere.
    """
    layout = installation.layout
    _check_own_data(installation)
    _check_stopped(layout)
    parts = [path for path in layout.data if path.exists()]
    if layout.secrets not in parts or layout.postgres not in parts:
        raise PlatformError(f"There is no installation in {layout.home}.")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (directory / MANIFEST).exists():
        raise PlatformError(f"{directory} holds a backup already; name another directory.")
    manifest = _write_archive(layout, parts, directory / ARCHIVE)
    # Last: a directory without a manifest is no backup.
    write_private(directory / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
    return manifest


def restore_backup(installation: Installation, directory: Path) -> Path | None:
    """Put a backup's data in place; returns where data that was there has been moved, if there was any.

    Raises:
        PlatformError: Heed runs, or `directory` holds no whole backup. Nothing was changed then.
    """
    layout = installation.layout
    _check_own_data(installation)
    _check_stopped(layout)
    archive = directory / ARCHIVE
    _check_archive(directory / MANIFEST, archive)
    layout.create()
    fresh = layout.home / "restoring"
    with tarfile.open(archive, "r:gz") as tar:
        tar.extraction_filter = _as_it_is
        tar.extractall(fresh, _checked(tar.getmembers(), archive))  # noqa: S202 - nothing leads outside
    aside = _set_aside(layout)
    for path in fresh.iterdir():
        path.replace(layout.home / path.relative_to(fresh))
    fresh.rmdir()
    return aside


def _check_own_data(installation: Installation) -> None:
    settings = installation.settings
    if settings.kafka_bootstrap_servers or settings.database_urls:
        raise PlatformError("Kafka or the databases run elsewhere: back them up there, with their own tools.")


def _check_stopped(layout: Layout) -> None:
    run = RunFile.read(layout.run_file)
    if run and (run.is_running or any(ref.process() for ref in run.children.values())):
        raise PlatformError("Heed is running. Stop it first with: heed stop")


def _write_archive(layout: Layout, parts: list[Path], archive: Path) -> Manifest:
    files, size = 0, 0
    with os.fdopen(os.open(archive, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            for part in parts:
                tar.add(part, part.relative_to(layout.home))
            for member in tar.getmembers():
                files, size = files + member.isfile(), size + member.size
        file.flush()
        os.fsync(file.fileno())
    return Manifest(created_at=datetime.now(UTC), files=files, bytes=size, sha256=_sha256(archive))


def _check_archive(manifest_file: Path, archive: Path) -> None:
    try:
        manifest = Manifest.model_validate_json(manifest_file.read_text())
    except FileNotFoundError:
        raise PlatformError(f"{manifest_file.parent} holds no backup: {manifest_file.name} is not there.") from None
    except ValidationError as error:
        raise PlatformError(f"{manifest_file} is not a backup's: {error}") from None
    if manifest.format != FORMAT:
        raise PlatformError(f"The backup has format {manifest.format}; this version reads {FORMAT}.")
    if not archive.exists() or _sha256(archive) != manifest.sha256:
        raise PlatformError(f"{archive} is damaged: it is not what its manifest says.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(members: list[tarfile.TarInfo], archive: Path) -> list[tarfile.TarInfo]:
    """Checks that these are files and directories and lie below where they are put."""
    for member in members:
        paths = [PurePosixPath(name) for name in (member.name, member.linkname)]
        leads_outside = any(path.is_absolute() or ".." in path.parts for path in paths)
        if leads_outside or not (member.isfile() or member.isdir() or member.islnk()):
            raise PlatformError(f"{archive} was not made by heed backup: {member.name} does not belong there.")
    return members


def _as_it_is(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
    """With owner and mode: PostgreSQL's files are not root's. Before 3.11.4 Python asks no filter, and does this."""
    del path
    return member


def _set_aside(layout: Layout) -> Path | None:
    present = [path for path in layout.data if path.exists()]
    if not present:
        return None
    aside = layout.home / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    aside.mkdir(mode=0o711)
    for path in present:
        path.replace(aside / path.name)
    return aside
