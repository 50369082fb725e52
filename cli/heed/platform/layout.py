"""Where things lie: the project's own files, and the directory with an installation's data."""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Layout:
    """`home` holds everything an installation writes: data, secrets, logs."""

    home: Path

    @property
    def secrets(self) -> Path:
        """Generated once; mode 600."""
        return self.home / "secrets.json"

    @property
    def run_file(self) -> Path:
        """Who runs: process ids and addresses, for as long as the system is up."""
        return self.home / "run.json"

    @property
    def demo_env(self) -> Path:
        """Keys and addresses for a shell, mode 600."""
        return self.home / "demo.env"

    @property
    def kafka(self) -> Path:
        """The broker's data."""
        return self.home / "kafka-data"

    @property
    def kafka_lib(self) -> Path:
        """The broker's jars: the same for all installations of this clone."""
        return PROJECT / ".heed" / "kafka" / "lib"

    @property
    def kafka_config(self) -> Path:
        """The broker's configuration and its pom."""
        return PROJECT / "deploy" / "local" / "kafka"

    @property
    def postgres(self) -> Path:
        """The database server's data."""
        return self.home / "postgres"

    @property
    def maildir(self) -> Path:
        """What the mail sink has received."""
        return self.home / "mail"

    @property
    def demo_state(self) -> Path:
        """What the demo shop remembers between runs."""
        return self.home / "demo"

    @property
    def data(self) -> tuple[Path, ...]:
        """All that a backup has to hold."""
        return (self.secrets, self.postgres, self.kafka, self.maildir, self.demo_state)

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.home / "logs" / f"{name}.log"

    def create(self) -> None:
        """Create the home; others may pass through (PostgreSQL's user does) but not list it."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711)


def default_layout() -> Layout:
    """`$HEED_HOME`, else `.heed` in the project."""
    return Layout(Path(os.environ.get("HEED_HOME", PROJECT / ".heed")).resolve())


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; an old one is replaced whole."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
