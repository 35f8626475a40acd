"""What a schema does not know of a document, as it was written."""

import msgspec
import pyarrow as pa
import pytest

from implementations.reading.json_types import AS_JSON
from implementations.reading.unknown_fields import rest_of

FIELDS = [
    pa.field("a", pa.int64()),
    pa.field("o", pa.struct([("x", pa.int64())])),
    pa.field("l", pa.list_(pa.struct([("x", pa.int64())]))),
    pa.field("m", pa.list_(pa.list_(pa.struct([("x", pa.int64())])))),
    pa.field("t", pa.string(), metadata=AS_JSON),
]


@pytest.mark.parametrize(
    ("document", "left"),
    [
        (b'{"a": 1, "o": {"x": 1}, "l": [{"x": 1}]}', b""),
        (b'{"a": 1, "n": 1.10}', b'{"n":1.10}'),
        (b'{"n": 18446744073709551615}', b'{"n":18446744073709551615}'),
        (b'{"o": {"x": 1, "y": 2}}', b'{"o":{"y":2}}'),
        (b'{"l": [{"x": 1}, {"y": 2}]}', b'{"l":[{"x": 1}, {"y": 2}]}'),
        (b'{"l": {"y": 2}}', b'{"l":{"y":2}}'),
        (b'{"o": null, "l": null, "a": null}', b""),
        (b'{"l": [null, {"x": 1}]}', b""),
        (b'{"m": [[{"x": 1}], [{"y": 2}]]}', b'{"m":[[{"x": 1}], [{"y": 2}]]}'),
        (b'{"m": [[{"x": 1}]], "t": {"any": [1.10]}}', b""),
        (b'{"a": {"strange": 1}}', b""),
        (b"7", b""),
    ],
)
def test_only_what_is_unknown_is_left(document: bytes, left: bytes) -> None:
    """Digit by digit; objects are searched through, a list is kept whole."""
    assert rest_of(FIELDS)(msgspec.Raw(document)) == left
