"""The console's tables: who may sign in, who is signed in, who tried."""

from datetime import datetime

from sqlalchemy import ARRAY, DateTime, ForeignKey, Identity, Index, LargeBinary, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012


class UserRow(Base):
    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)  # lower case
    name: Mapped[str]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    time_zone: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    announced_at: Mapped[datetime | None]  # when sales learnt of this owner; stays empty without the role


class SessionRow(Base):
    """A signed-in browser. Only a hash of its cookie is kept, so that a stolen table opens nothing."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)
    user: Mapped[UserRow] = relationship(lazy="raise")


class SignInAttemptRow(Base):
    """A try to sign in that has not succeeded."""

    __tablename__ = "sign_in_attempts"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str]
    address: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (
        Index("sign_in_attempts_email", "email", "at"),
        Index("sign_in_attempts_address", "address", "at"),
    )
