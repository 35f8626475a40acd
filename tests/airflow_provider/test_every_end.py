"""Every way a run can end, played on a real scheduler and held against the table of docs/states.md."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.airflow_provider.conftest import slug
from tests.airflow_provider.ends import End, ended, expected, seen
from tests.airflow_provider.parts import PARTS, Part
from tests.airflow_provider.real_airflow import RealAirflow
from tests.airflow_provider.scenario import Scenario

AT_ONCE = 6


@pytest.fixture(scope="module")
def played(
    airflow: RealAirflow, scenarios: dict[str, Scenario], parts: dict[str, Part]
) -> Iterator[dict[str, Future[End]]]:
    """The plays that were asked for, some at once: runs wait more than they work."""
    stage = ThreadPoolExecutor(AT_ONCE)
    yield {how: stage.submit(performed, airflow, scenarios[slug(how)], part) for how, part in parts.items()}
    stage.shutdown(cancel_futures=True)


def performed(airflow: RealAirflow, scenario: Scenario, part: Part) -> End:
    """The play, its run's end, the mending and the next run."""
    play = part.play(airflow, scenario)
    run = next(play)
    if run:
        run.ended()
    before = seen(scenario, run)
    next(play, None)
    return ended(scenario, before, airflow.trigger(scenario.dag_id))


def test_every_line_of_the_page_is_played() -> None:
    """And nothing is played that the page does not tell."""
    assert set(PARTS) == set(expected())


@pytest.mark.airflow
@pytest.mark.services
@pytest.mark.slow
@pytest.mark.parametrize("how", PARTS)
def test_a_run_ends_as_the_page_says(how: str, played: dict[str, Future[End]]) -> None:
    """State of run and tasks, row, attempts, cleanup and what the next run does."""
    assert played[how].result() == expected()[how]
