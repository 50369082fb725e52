"""profiles and waiting examples lie by partition: who takes one over reads it in one piece"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_PARTITIONS = 12


def upgrade() -> None:
    _lay_by_partition("profiles", "packed", " WITH (fillfactor = 70)")
    _lay_by_partition("pending_examples", "examples", "")


def _lay_by_partition(table: str, column: str, storage: str) -> None:
    op.rename_table(table, f"{table}_together")
    op.execute(f"ALTER INDEX {table}_pkey RENAME TO {table}_together_pkey")
    op.create_table(
        table,
        sa.Column("customer", sa.Text, primary_key=True),
        sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column(column, sa.LargeBinary, nullable=False),
        postgresql_partition_by="LIST (partition)",
    )
    for number in range(_PARTITIONS):
        op.execute(f"CREATE TABLE {table}_{number} PARTITION OF {table} FOR VALUES IN ({number}){storage}")
    op.execute(f"INSERT INTO {table} (customer, partition, {column}) SELECT * FROM {table}_together")
    op.drop_table(f"{table}_together")
