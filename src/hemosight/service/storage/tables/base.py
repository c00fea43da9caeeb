"""What every table is made of: the base class with its types and names of constraints, and the common columns."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, DateTime, ForeignKey, Identity, LargeBinary, MetaData, Text, func
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Moment = datetime.datetime

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(DeclarativeBase):
    """What all tables share: names of constraints, and PostgreSQL types for Python's."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy looks for this very name
        str: Text(),
        float: DOUBLE_PRECISION(),
        bytes: LargeBinary(),
        Moment: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        list[str]: ARRAY(Text()),
    }


def row_id() -> Mapped[int]:
    """A key that the database counts up."""
    return mapped_column(BigInteger, Identity(always=False), primary_key=True)


def now() -> Mapped[Moment]:
    """The moment at which the row is written, by the database's clock."""
    return mapped_column(server_default=func.clock_timestamp())


def ref(target: str, *, key: bool = False, index: bool = False, cascade: bool = False) -> Mapped[Any]:
    """The id of a row of another table; ``cascade``: the row goes with that one."""
    on_delete = "CASCADE" if cascade else None
    return mapped_column(BigInteger, ForeignKey(target, ondelete=on_delete), primary_key=key, index=index)
