"""Elasticsearch to Parquet, the whole phase with its checks, against a floor and against what else there is.

The floor is what the parts use of the processor when each is run alone (Elasticsearch in two slices, fetch,
parse, write), over all cores. dlt and pandas live in an environment of their own (`pip install --group
bench`), whose Python PIPELINE_BENCH_PYTHON names; without it their lines are left out. Speed is reference /
ours in turns, imports excluded on both sides; memory is the largest resident set of a fresh process, the
bound 300 MB. On a machine that others use as well, only the ratio by the processor alone says something
about the floor. `--rows 10000000 --memory` is one run of a large window.
"""

import argparse
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from shutil import rmtree
from statistics import median
from tempfile import gettempdir
from time import perf_counter

from _elasticsearch import DAY, filled, processor_seconds, served

from tests.services.s3 import client, from_moto

CORES = os.cpu_count() or 1
BOUND = 300  # MB
THEIRS = {"dlt_arrow": 2.8, "dlt_pages": 10, "scan": 4}


@dataclass(frozen=True, slots=True)
class Run:
    """A mover once: seconds, seconds of the processor in it and in the server, peak in MB."""

    seconds: float
    processor: float
    peak: float
    server: float

    @property
    def ideal(self) -> float:
        """Seconds of cores that had nothing else to do and were never idle."""
        return (self.processor + self.server) / CORES


@dataclass(frozen=True, slots=True)
class Bench:
    """Servers, and the rows that are moved."""

    url: str
    s3: str
    index: str

    def run(self, name: str) -> Run:
        """One mover, in a fresh process and folder."""
        python = os.environ["PIPELINE_BENCH_PYTHON"] if name in THEIRS else sys.executable
        folder = str(Path(gettempdir(), f"figures-{token_hex(6)}"))
        Path(folder).mkdir()
        if name in {"ours_s3", "scan"}:
            client(self.s3).create_bucket(Bucket=Path(folder).name)
        before = processor_seconds(self.url)
        script = str(Path(__file__).with_name("_movers.py"))
        command = [python, script, name, self.url, self.index, folder, self.s3]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
        finally:
            rmtree(folder)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr}")
        figures = json.loads(done.stdout.splitlines()[-1])
        return Run(**figures, server=processor_seconds(self.url) - before)

    def pairs(self, one: str, other: str, times: int) -> list[tuple[Run, Run]]:
        """Both in turns."""
        return [(self.run(one), self.run(other)) for _ in range(times)]


def main(rows: int, times: int, *, alone: bool) -> None:
    with ExitStack() as stack:
        url, s3 = stack.enter_context(served()), stack.enter_context(from_moto([]))
        assert s3
        bench = Bench(url, s3, filled(url, rows))
        first = bench.run("ours")  # the server's code is compiled while it runs
        if alone:
            print(f"{rows:,} rows: {first.seconds:.1f} s, peak {first.peak:.0f} MB of {BOUND}", flush=True)
            return
        against_the_floor(bench, rows, times)
        against_s3(bench, rows, times)
        counting(bench, times)
        for name, reach in THEIRS.items() if "PIPELINE_BENCH_PYTHON" in os.environ else ():
            against(bench, rows, name, reach, times)


def against_the_floor(bench: Bench, rows: int, times: int) -> None:
    pairs = bench.pairs("ours", "floor", times)
    speed = median(floor.ideal / own.seconds for own, floor in pairs)
    used = median(floor.ideal / own.ideal for own, floor in pairs)
    own, floor = (median(each) for each in zip(*((a.seconds, b.ideal) for a, b in pairs), strict=True))
    peak = max(own.peak for own, _ in pairs)
    print(
        f"{rows:,} rows: {own:.2f} s, floor {floor:.2f} s, ratio {speed:.2f} (reach 0.8); by the processor "
        f"alone {used:.2f}; peak {peak:.0f} MB of {BOUND}",
        flush=True,
    )


def against_s3(bench: Bench, rows: int, times: int) -> None:
    pairs = bench.pairs("ours_s3", "ours", times)
    speed = median(local.seconds / s3.seconds for s3, local in pairs)
    peak = max(s3.peak for s3, _ in pairs)
    figures = f"ratio {speed:.2f} of a local folder (reach 0.9); peak {peak:.0f} MB of {BOUND}"
    print(f"{rows:,} rows to S3 (moto): {figures}", flush=True)


def against(bench: Bench, rows: int, name: str, reach: float, times: int) -> None:
    pairs = bench.pairs("ours_s3" if name == "scan" else "ours", name, times)
    speed = median(theirs.seconds / own.seconds for own, theirs in pairs)
    memory = median(own.peak / theirs.peak for own, theirs in pairs)
    figures = f"{speed:.1f} times its speed (reach {reach}), {memory:.2f} of its memory"
    print(f"{rows:,} rows against {name}: {figures}", flush=True)


def counting(bench: Bench, times: int) -> None:
    """A window that is there already costs its count; the reference is the same count by the bare client."""
    from elasticsearch import Elasticsearch
    from pydantic import SecretStr

    from implementations.elasticsearch.source import ElasticsearchSource

    bounds = {"gte": DAY.start.isoformat(), "lt": DAY.end.isoformat()}
    query = {"bool": {"filter": [{"range": {"@timestamp": bounds}}]}}
    source, ratios = ElasticsearchSource(SecretStr(bench.url), bench.index, "@timestamp"), []
    source.count(DAY)
    for _ in range(20 * times):
        started = perf_counter()
        source.count(DAY)
        middle = perf_counter()
        with Elasticsearch(bench.url) as client:
            client.count(index=bench.index, query=query)
        ratios.append((middle - started) / (perf_counter() - middle))
    print(f"count of a window: {median(ratios):.2f} times the bare query (reach 1.2)", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="one run alone, for windows that take minutes")
    wanted = parser.parse_args()
    main(wanted.rows, wanted.times, alone=wanted.memory)
