"""How long the command line takes to answer, over an interpreter that does nothing, in turns.

Seconds of processor time, which other work on the machine lengthens less than the time of the clock. Byte
code is kept, as an installer leaves it. Reach of `--help`: 0.25 s; `status` is told beside it.
"""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

PIPELINE = str(Path(sys.executable).parent / "pipeline")
CONFIG = """
pipeline_id: help
control: {url: "sqlite:///control.db"}
granularity: 1h
start: 2013-01-01
source: {type: files, path: "data/*.parquet", time_field: at}
stage: {type: local, path: stage}
target: {type: duckdb, path: warehouse.duckdb, table: t, time_field: at}
"""
NOTHING = [sys.executable, "-c", "pass"]
COMMANDS = ("--help", "run --help", "status")
TIMES = 15


def seconds(command: list[str], folder: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
    before = os.times()
    subprocess.run(command, check=True, cwd=folder, env=environment, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "pipeline.yml").write_text(CONFIG)
        for title in COMMANDS:
            command = [PIPELINE, *title.split()]
            seconds(command, folder)
            pairs = [(seconds(command, folder), seconds(NOTHING, folder)) for _ in range(TIMES)]
            more = median(ours - theirs for ours, theirs in pairs)
            print(f"pipeline {title}: {more:.2f} s over an interpreter that does nothing", flush=True)


if __name__ == "__main__":
    main()
