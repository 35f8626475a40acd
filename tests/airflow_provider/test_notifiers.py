"""Mails that a pipeline file asks for, sent to a server that keeps them."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_framework.airflow_provider.dag import build_dag
from pipeline_framework.airflow_provider.notifiers import mail_arguments
from pipeline_framework.config import load_final_config
from tests.airflow_provider.scenario import make


@dataclass
class MailServer:
    """The little of SMTP (RFC 5321) that a client needs to hand over a mail."""

    port: int = 0
    mails: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation."""
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).strip():
            if line.upper() == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            writer.write(b"250 fine\r\n")
        writer.close()


@pytest.fixture
def mail_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """It listens on loopback, and Airflow's smtp_default points at it."""
    server, loop = MailServer(), asyncio.new_event_loop()
    listener = loop.run_until_complete(asyncio.start_server(server.serve, "127.0.0.1", 0))
    server.port = listener.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    extra = "disable_ssl=true&disable_tls=true&from_email=airflow%40example.com"
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", f"smtp://127.0.0.1:{server.port}/?{extra}")
    yield server
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    listener.close()
    loop.close()


def asking_for(mails: str, folder: Path) -> Path:
    """A pipeline file with these keys of mail."""
    file = make(folder / "mailing").file
    file.write_text(f"{file.read_text()}\n{mails}\n")
    return file


def test_a_failed_task_is_mailed(mail_server: MailServer, tmp_path: Path) -> None:
    """To everybody of email_list, with task, run and error."""
    keys = "email_list: [a@example.com, b@example.com]\nemail_on_failure: true"
    dag = build_dag(asking_for(keys, tmp_path))
    task = dag.get_task("audit")
    (send,) = task.on_failure_callback  # type: ignore[misc]
    context: Any = {
        "dag": dag,
        "task": task,
        "ti": SimpleNamespace(task_id="audit", try_number=2, max_tries=3, log_url="http://localhost/log"),
        "run_id": "run_7",
        "logical_date": datetime(2013, 1, 1, tzinfo=UTC),
        "exception": "12 of 8,113 rows were lost <between> stage and target",
    }
    send(context)
    mail = message_from_string(mail_server.mails[0])
    text = mail.get_payload(0).get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert mail["To"] == "a@example.com, b@example.com"
    assert mail["Subject"] == "data_pipeline_mailing: audit failed"
    assert "run_7" in text
    assert "8,113 rows were lost &lt;between&gt; stage and target" in text


@pytest.mark.parametrize(
    ("keys", "callbacks"),
    [
        ("", set()),
        ("email_list: [a@example.com]", set()),
        ("email_list: [a@example.com]\nemail_on_retry: true", {"on_retry_callback"}),
        (
            "email_list: [a@example.com]\nemail_on_retry: true\nemail_on_failure: true",
            {"on_retry_callback", "on_failure_callback"},
        ),
    ],
)
def test_mails_are_sent_as_the_file_says(keys: str, callbacks: set[str], tmp_path: Path) -> None:
    """Without email_list none; on failure and on retry each when asked for."""
    assert set(mail_arguments(load_final_config(asking_for(keys, tmp_path)))) == callbacks
