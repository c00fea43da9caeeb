"""Alembic's entry: run the migrations on the connection that :meth:`Database.migrate` gives."""

from __future__ import annotations

from alembic import context

from hemosight.service.storage.tables import Table

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Table.metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
