"""Tables under the field's names: embeddings (were readings), current_labels (were standing).

Everything is renamed in place, so that rows, their order on disk and their keys stay.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

_TABLES = {"readings": "embeddings", "reading_tries": "embedding_attempts", "standing": "current_labels"}
_COLUMNS = (
    ("embeddings", "read_at", "embedded_at"),
    ("embedding_attempts", "tries", "attempts"),
    ("current_labels", "fact_id", "label_id"),
)
_CONSTRAINTS = {
    "embeddings": (
        ("ck_readings_vector", "ck_embeddings_vector"),
        ("fk_readings_bundle_id", "fk_embeddings_bundle_id"),
        ("fk_readings_image_id", "fk_embeddings_image_id"),
        ("pk_readings", "pk_embeddings"),
    ),
    "embedding_attempts": (
        ("fk_reading_tries_bundle_id", "fk_embedding_attempts_bundle_id"),
        ("fk_reading_tries_image_id", "fk_embedding_attempts_image_id"),
        ("pk_reading_tries", "pk_embedding_attempts"),
    ),
    "current_labels": (
        ("fk_standing_fact_id", "fk_current_labels_label_id"),
        ("fk_standing_image_id", "fk_current_labels_image_id"),
        ("fk_standing_label_set_id", "fk_current_labels_label_set_id"),
        ("pk_standing", "pk_current_labels"),
    ),
}
_INDEXES = (
    ("ix_readings_bundle_id_image_id", "ix_embeddings_bundle_id_image_id"),
    ("ix_standing_label_set_id_image_id", "ix_current_labels_label_set_id_image_id"),
)


def upgrade() -> None:
    """Rename tables, columns, constraints and indexes; drop a column that nothing ever wrote."""
    for old, new in _TABLES.items():
        op.rename_table(old, new)
    for table, old, new in _COLUMNS:
        op.alter_column(table, old, new_column_name=new)
    for table, names in _CONSTRAINTS.items():
        for old, new in names:
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
    for old, new in _INDEXES:
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
    op.drop_column("label_sets", "weight")
