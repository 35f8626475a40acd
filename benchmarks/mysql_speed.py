"""MariaDB as target and as source, durable, against its own LOAD DATA and against the bare driver.

Target (aim: 0.85): stage to table with fence, ledger, count and transaction, against LOAD DATA alone of the
same rows from a ready file, into a table with the index on the time that ours has, and into one without. The
same by INSERT, as where a server takes no files. Source: the processor time of this process for count and
rows as Arrow, against PyMySQL's rows and Arrow made of them.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pyarrow as pa
import pymysql
from _rows import DAY, compare, day_file, lock_of
from pydantic import SecretStr
from pymysql.cursors import SSCursor

from implementations.files import FilesSource
from implementations.mysql import spelling
from implementations.mysql.source import MySQLSource
from implementations.mysql.target import MySQLTarget
from implementations.mysql.words import MySQLWords
from implementations.object_store.local import LocalStage
from pipeline_framework.interfaces import Staged
from tests.services import mariadb

DURABLE = {"innodb-flush-log-at-trx-commit": "1", "innodb-doublewrite": "1", "innodb-buffer-pool-size": "1G"}
DURABLE |= {"innodb-log-file-size": "1G"}
FILE = "CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'"


def main(rows: int) -> None:
    with TemporaryDirectory() as name, served() as connection:
        staged = made(Path(name), rows)
        load_speed(connection, staged, Path(name) / "ready.txt", rows)
        read_speed(connection, rows)


@contextmanager
def served() -> Iterator["pymysql.Connection"]:
    """A database on a durable server, by the bare driver."""
    mariadb.SETTINGS.update(DURABLE)
    reasons: list[str] = []
    with mariadb.from_system(reasons) as server:
        if server is None:
            raise SystemExit(f"there is no MariaDB: {'; '.join(reasons)}")
        with mariadb.databases(server) as make:
            url = make()
            port, database = int(url.rpartition(":")[2].partition("/")[0]), url.rpartition("/")[2]
            login = {"host": "127.0.0.1", "user": "tests", "password": mariadb.PASSWORD}
            with pymysql.connect(
                **login, port=port, database=database, local_infile=True, autocommit=True
            ) as connection:
                connection.url = url
                yield connection


def made(folder: Path, rows: int) -> Staged:
    """One day, staged."""
    stage = LocalStage(str(folder / "stage"))
    source = FilesSource(str(day_file(folder, rows, rows)), "time")
    return stage.staged(lock_of(1, stage.write(lock_of(1), source.read(DAY))))


def load_speed(connection: "pymysql.Connection", staged: Staged, ready: Path, rows: int) -> None:
    target = MySQLTarget(SecretStr(connection.url), "target", "time")
    with ready.open("wb") as file:
        for batch in staged.batches():
            file.writelines(spelling.lines(piece) for piece in spelling.pieces(batch))

    def load() -> None:
        run(connection, "DROP TABLE IF EXISTS target, pipeline_loads")
        target.load(lock_of(1), staged)

    def alone(*definition: str) -> None:
        run(connection, "DROP TABLE IF EXISTS bare", *definition)
        run(connection, f"LOAD DATA LOCAL INFILE '{ready}' INTO TABLE bare {FILE}")

    load()
    like = "CREATE TABLE bare LIKE target"
    told(rows, load, "LOAD DATA alone into a table with the same index", lambda: alone(like))
    without = "ALTER TABLE bare DROP KEY time"
    told(rows, load, "LOAD DATA alone into one without", lambda: alone(like, without))
    files, MySQLWords.takes_files = MySQLWords.takes_files, lambda _: False  # type: ignore[method-assign]
    told(rows, load, "by INSERT, LOAD DATA alone with the same index", lambda: alone(like))
    MySQLWords.takes_files = files  # type: ignore[method-assign]
    load()


def read_speed(connection: "pymysql.Connection", rows: int) -> None:
    source = MySQLSource(SecretStr(connection.url), "target", "time")

    def read() -> None:
        sum(batch.num_rows for batch in source.read(DAY).batches)

    def plainly() -> None:
        with connection.cursor(SSCursor) as cursor:
            cursor.execute("SELECT * FROM target")
            while found := cursor.fetchmany(10_000):
                [pa.array(column) for column in zip(*found, strict=True)]

    pairs = [(processor(read), processor(plainly)) for _ in range(5)]
    ours, theirs = (median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = median(theirs / ours for ours, theirs in pairs)
    seconds = f"{ours:.2f} s of processor, PyMySQL's rows {theirs:.2f} s"
    print(f"read {rows:,} rows: {seconds}, {ratio:.2f} times as fast")


def processor(work: Callable[[], object]) -> float:
    """Seconds of processor time of this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def run(connection: "pymysql.Connection", *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def told(rows: int, load: Callable[[], None], title: str, reference: Callable[[], None]) -> None:
    ours, theirs, speed = compare(load, reference, 5)
    print(f"load {rows:,} rows: {ours:.2f} s, {title} {theirs:.2f} s, speed {speed:.2f} of it", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
