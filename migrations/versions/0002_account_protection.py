"""Accounts that demand signing or encryption."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = ("signing_required", "encryption_required")


def upgrade() -> None:
    """Add both switches, off for the accounts that exist.

    The default stays in the database: to take it away SQLite would have to build the table anew, and what refers to
    its rows would go with them.
    """
    for name in _COLUMNS:
        op.add_column("account", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Drop them."""
    for name in reversed(_COLUMNS):
        op.drop_column("account", name)
