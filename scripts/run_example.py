"""`make run`: the example on real data, one window through the DAG, the rest by backfill."""

import json
import subprocess
import sys
import time
from pathlib import Path

from scripts.local_airflow import ROOT, LocalAirflow, end_on_signals, environment

FLIGHTS = Path("examples/flights")
MARCH, NOVEMBER = FLIGHTS / "pipeline.yml", FLIGHTS / "november.yml"
RANGES = {MARCH: ("2013-03-08", "2013-03-13"), NOVEMBER: ("2013-11-01", "2013-11-06")}
BUSY_HOURS = "2013-03-08T08:00"
CHOSEN = json.dumps({"window_start": BUSY_HOURS})
HOME = ROOT / "var" / "run" / "airflow"
NOTHING_TO_DO = 3  # exit code
PIPELINE = str(Path(sys.executable).with_name("pipeline"))

STEPS = {
    f".venv/bin/pipeline windows --config {MARCH}": "every window, with its counts",
    f".venv/bin/pipeline gaps --config {MARCH}": "the proof that none is missing",
    f".venv/bin/pipeline show 1 --config {MARCH}": "the life of one window",
    "make airflow": "the same pipeline in Airflow",
}
NEXT = "\nWhat to type next:\n\n" + "".join(f"  {step:<66}{does}\n" for step, does in STEPS.items())


def pipeline(*words: str, config: Path) -> None:
    """Run one command of the framework in this terminal; its failure ends this program too."""
    done = subprocess.run([PIPELINE, *words, "--config", str(config)], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def left_to_do(config: Path) -> int:
    """How many windows would run now."""
    plan = subprocess.run(
        [PIPELINE, "plan", "--format", "json", "--config", str(config)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
    )
    if plan.returncode not in (0, NOTHING_TO_DO):
        sys.exit(plan.returncode)
    return len(json.loads(plan.stdout or "[]"))


def one_window_through_the_dag() -> None:
    """`airflow dags test` on an Airflow home of its own; the oldest window is an empty night, so another."""
    started = time.monotonic()
    print(f"One window ({BUSY_HOURS}) through the DAG: airflow dags test data_pipeline_main ...", flush=True)
    HOME.mkdir(parents=True, exist_ok=True)
    variables = environment(HOME, ROOT / "dags", PIPELINE_CONFIG=str(ROOT / MARCH))
    with LocalAirflow(HOME, variables) as airflow:
        airflow.command("db", "migrate")
        airflow.command("dags", "test", "data_pipeline_main", "--conf", CHOSEN)
    print(
        f"  all seven tasks are done after {time.monotonic() - started:.0f} s; their log: {HOME}/dags.log\n"
    )


def status() -> None:
    """How both pipelines stand."""
    for config in RANGES:
        pipeline("status", config=config)


def main() -> None:
    """Run what is left, or say that nothing is."""
    pipeline("migrate", config=MARCH)
    if not any(map(left_to_do, RANGES)):
        print("Nothing is left to do: every window of the example is finished (make clean starts anew).\n")
    else:
        if left_to_do(MARCH):
            one_window_through_the_dag()
        for config, (first, last) in RANGES.items():
            if left_to_do(config):
                print(f"The rest: pipeline backfill --from {first} --to {last} --config {config}", flush=True)
                pipeline("backfill", "--from", first, "--to", last, config=config)
                print()
    status()
    print(NEXT)


if __name__ == "__main__":
    end_on_signals()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; make run goes on where it was")
