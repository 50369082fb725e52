"""Passwords and keys of one installation: made once, kept in one private file."""

from pathlib import Path
from secrets import token_urlsafe

from pydantic import BaseModel, Field

from common.tokens import generate_keys
from heed.platform.errors import PlatformError
from heed.platform.layout import write_private
from heed.platform.settings import SERVICES


class WriteKey(BaseModel):
    """A source's key with the id it is revoked by."""

    id: str
    key: str


class Secrets(BaseModel):
    """`token_private_key` signs every bearer token: only the console and the command line get it."""

    token_private_key: str
    token_public_key: str
    postgres_password: str = Field(default_factory=lambda: token_urlsafe(24))
    database_passwords: dict[str, str] = Field(default_factory=lambda: {s: token_urlsafe(24) for s in SERVICES})
    demo_password: str = Field(default_factory=lambda: token_urlsafe(9))
    write_keys: dict[str, WriteKey] = Field(default_factory=dict)

    @classmethod
    def load_or_create(cls, path: Path) -> "Secrets":
        """Read the file, or make it.

        Raises:
            PlatformError: the file is not what we wrote. It is never replaced: the data would be lost with it.
        """
        if path.exists():
            try:
                return cls.model_validate_json(path.read_text())
            except ValueError as error:
                raise PlatformError(f"{path} cannot be read: {error}") from None
        private, public = generate_keys()
        secrets = cls(token_private_key=private, token_public_key=public)
        secrets.save(path)
        return secrets

    def keep_key(self, kind: str, key_id: str, key: str) -> None:
        """Remember a source's key, which its service shows only once."""
        self.write_keys[kind] = WriteKey(id=key_id, key=key)

    def save(self, path: Path) -> None:
        """Write the file, mode 600."""
        write_private(path, self.model_dump_json(indent=2) + "\n")
