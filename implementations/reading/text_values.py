"""Rows of text brought to types one value after the other, where a block of them could not be as a whole."""

import csv
import io
from collections.abc import Iterable, Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from implementations.reading.fitting import PutAside, all_but, fitting


def typed(
    texts: Iterable[pa.RecordBatch],
    columns: pa.Schema,
    time: str,
    aside: PutAside,
    *,
    place: str,
    passed: int,
) -> Iterator[pa.RecordBatch]:
    """The batches as `columns`; a row with a value that does not fit is handed over with its `time`.

    `passed` rows of `place` came before.
    """
    for batch in texts:
        out, misfits = list[pa.Array](), dict[int, str]()
        for field in columns:
            values, rows = fitting(batch[field.name], field.type, partial(_cast, kind=field.type))
            misfits = {**dict.fromkeys(rows, f"{field.name} does not fit {field.type}"), **misfits}
            out.append(values)
        for row, reason in sorted(misfits.items()):
            aside(batch[time].slice(row, 1), _line(batch, row), reason, f"{place}, row {passed + row + 1}")
        yield pa.RecordBatch.from_arrays(out, schema=columns).filter(all_but(misfits, batch.num_rows))
        passed += batch.num_rows


def _cast(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    return texts if pa.types.is_string(kind) else pc.utf8_trim_whitespace(texts).cast(kind)


def _line(batch: pa.RecordBatch, row: int) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([column[row].as_py() for column in batch.columns])
    return line.getvalue().encode()
