"""The history of the database schema, for Alembic: one linear line, revisions 0001, 0002, ..."""
