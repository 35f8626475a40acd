"""When a call that met `Unavailable` is made again inside the same process.

Full jitter after an exponential wait, so that many workers do not come back together
(Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), within a budget of seconds.
"""

from tenacity import RetryCallState, Retrying, stop_before_delay, wait_random_exponential
from tenacity import retry_if_exception_type as on

from pipeline_framework.errors import Unavailable
from pipeline_framework.signals import Retrying as RetryingSignal
from pipeline_framework.signals import emit

LONGEST_WAIT = 30.0  # seconds between two tries


def patiently(budget: float, record_id: int = 0) -> Retrying:
    """A tenacity loop for `Unavailable` alone: `patiently(60)(function, argument)`.

    `budget` is in seconds from the first try; 0 tries once. The last error is raised as it is.
    Each repetition is told as a `Retrying` signal of window `record_id`.
    """
    return Retrying(
        retry=on(Unavailable),
        wait=wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT),
        stop=stop_before_delay(budget),
        before_sleep=lambda state: emit(_told(state, record_id)),
        reraise=True,
    )


def _told(state: RetryCallState, record_id: int) -> RetryingSignal:
    error = state.outcome.exception() if state.outcome else None
    return RetryingSignal(record_id, str(error), state.upcoming_sleep)
