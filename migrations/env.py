"""What Alembic runs: apply the migrations on the connection that `smbcore.state.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from smbcore.state.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)

with context.begin_transaction():
    context.run_migrations()
