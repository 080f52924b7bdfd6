"""A table of a database server as a target: emptied and filled in one transaction, so that all on it stays."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from connector.databases.base import Database, MergeOptions
from connector.databases.merge import Keys, Table
from connector.rows.batches import refuse_repeated, regroup


class TableTarget:
    """A table that gets new rows; its grants, views and indexes stay, and it is made where there is none."""

    def __init__(self, database: Database, table: Table) -> None:
        self.label = f"table {table.schema}.{table.name} in {database.label}"
        self._database = database
        self._table = table

    def replace(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        """Put these rows in the place of the table's and return their number; after an error all is as before."""
        refuse_repeated(schema.names)
        with self._database, self._database.transaction() as session:
            session.lock(self._table)
            session.prepare(self._table, schema)
            staged = session.stage(self._table, regroup(batches, schema), schema.names)
            return session.merge(self._table, staged, Keys(()), MergeOptions("replace")).inserted
