"""Arrow files: written in record batches, memory-mapped when read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from cgc.errors import UserError
from cgc.files import atomic_write, check_regular

BATCH_BYTES = 2**24


class BatchWriter:
    """Collects rows; at most one record batch is in memory.

    Args:
        file: the Arrow file.
        schema: its columns.
        batch_rows, batch_bytes: a batch is written after this many.
    """

    def __init__(
        self,
        file: pa.ipc.RecordBatchFileWriter,
        schema: pa.Schema,
        batch_rows: int,
        batch_bytes: int,
    ) -> None:
        self._file, self._schema = file, schema
        self._batch_rows, self._batch_bytes = batch_rows, batch_bytes
        self._rows, self._num_bytes = list[dict[str, Any]](), 0

    def add(self, row: dict[str, Any], num_bytes: int = 0) -> None:
        """Add a row that counts as `num_bytes`."""
        self._rows.append(row)
        self._num_bytes += num_bytes
        if self._num_bytes >= self._batch_bytes or len(self._rows) >= self._batch_rows:
            self.flush()

    def flush(self) -> None:
        """Write the collected rows."""
        if self._rows:
            self._file.write_batch(pa.RecordBatch.from_pylist(self._rows, self._schema))
        self._rows, self._num_bytes = [], 0


@contextmanager
def write_arrow(
    path: str | Path, schema: pa.Schema, *, batch_rows: int, batch_bytes: int = BATCH_BYTES
) -> Iterator[BatchWriter]:
    """Yield a writer of an Arrow file, which appears once all rows are written.

    Raises:
        UserError: the folder cannot be written to.
    """
    with atomic_write(path) as temporary, pa.ipc.new_file(str(temporary), schema) as file:
        writer = BatchWriter(file, schema, batch_rows, batch_bytes)
        yield writer
        writer.flush()


def open_arrow(path: str | Path, schema: pa.Schema) -> pa.Table:
    """Memory-map an Arrow file.

    Raises:
        UserError: the file is missing, cut off, not a regular file, or has other columns than
            `schema`.
    """
    remedy = f"run `snakemake --cores 1 {path}` (rule prepare_data)"
    check_regular(path)
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {remedy}") from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path} is not a complete Arrow file ({reason}): delete it and {remedy}"
        ) from error
    if not table.schema.equals(schema):
        raise UserError(
            f"{path} must have the columns {', '.join(schema.names)}: "
            f"got {', '.join(table.schema.names)}; delete it and {remedy}"
        )
    return table
