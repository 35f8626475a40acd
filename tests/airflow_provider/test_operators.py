"""The operators of a pipeline's tasks."""

from airflow.sdk import DAG

from pipeline_framework.airflow_provider.operators import PipelineTask, WindowTask


def joined(*words: str) -> str:
    """Words in one."""
    return " ".join(words)


def test_a_task_answers_what_its_function_says_of_what_is_given() -> None:
    """Its page shows what the function says of itself."""
    task = PipelineTask(task_id="join", work=joined, given=("pipeline.yml", "3"))
    assert (task.execute({}), task.doc_md) == ("pipeline.yml 3", "Words in one.")


def test_the_window_that_is_held_comes_last_and_from_the_task_before() -> None:
    """Who names another task's answer waits for that task, and Airflow puts the answer in its place."""
    with DAG("windows", schedule=None):
        locking = PipelineTask(task_id="lock", work=joined, given=("held",))
        moving = WindowTask(task_id="move", work=joined, given=("pipeline.yml",), held=locking.output)
    assert moving.upstream_task_ids == {"lock"}
    moving.held = "window"
    assert moving.execute({}) == "pipeline.yml window"
