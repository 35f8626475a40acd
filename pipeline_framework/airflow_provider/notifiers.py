"""Mail to `email_list`, through Airflow's SMTP connection (`smtp_default`)."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from airflow.sdk import Context

from pipeline_framework.config import FinalConfig, load_final_config

log = logging.getLogger(__name__)

SUBJECT = "{{ dag.dag_id }}: {{ ti.task_id }} %s"
TEXT = """
<p>Task <b>{{ ti.task_id }}</b> of {{ run_id }} %s, try {{ ti.try_number }} of {{ ti.max_tries + 1 }}.</p>
<p>{{ exception | e }}</p>
<p><a href="{{ ti.log_url }}">Its log</a>. What the control table says: <code>pipeline status</code>.</p>
"""


def mail_arguments(config: FinalConfig) -> dict[str, Any]:
    """Operator arguments that send the mails which `email_on_failure` and `email_on_retry` ask for."""
    if not config.email_list:
        return {}
    wanted = {
        "on_failure_callback": mailer(config, "failed") if config.email_on_failure else None,
        "on_retry_callback": mailer(config, "will be tried again") if config.email_on_retry else None,
    }
    return {name: callback for name, callback in wanted.items() if callback}


def mailer(config: FinalConfig, what: str) -> Callable[[Context], None]:
    """A callback that mails `what` happened; the mail library is loaded when there is a mail to send."""

    def send(context: Context) -> None:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        SmtpNotifier(to=list(config.email_list), subject=SUBJECT % what, html_content=TEXT % what)(context)

    return send


def late(context: Mapping[str, Any], file: str) -> None:
    """A DAG run missed the deadline of its pipeline file: said in the log, and by mail to `email_list`."""
    config = load_final_config(file)
    run = context.get("dag_run", {}).get("dag_run_id", "a run")
    news = f"{config.pipeline_id}: {run} has not ended within its deadline of {config.airflow.deadline}."
    log.error("%s It goes on; `pipeline status` says what it waits for.", news)
    if config.email_list:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        SmtpNotifier(to=list(config.email_list), subject=news, html_content=news)(dict(context))
