"""A warehouse that is ready for production, but for one thing at a time."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from clari_pipeline.ops import preflight
from clari_pipeline.sandbox import Sandbox
from tests.helpers.listeners import address, web_listeners
from tests.helpers.terminal import CURRENT, Terminal

_ALIKE = """
    insert into clari.export_job
    select * replace ('{quarter}' as time_period_id, '{quarter}' as request_id, '{quarter}' as job_id)
    from clari.export_job where time_period_id = '{before}'
"""


@dataclass
class Operator:
    """Somebody who asks whether all is ready."""

    terminal: Terminal
    sandbox: Sandbox
    monkeypatch: pytest.MonkeyPatch

    def set(self, **values: str) -> None:
        """Settings as they stand from now on."""
        for name, value in values.items():
            self.monkeypatch.setenv(name, value)

    def __call__(self, *words: str) -> tuple[int, dict[str, dict[str, str]]]:
        """The exit code, and each line by its name."""
        answer = self.terminal("preflight", "--json", *words)
        assert answer.err == ""
        assert self.sandbox.api_key not in answer.out
        return answer.code, {line["name"]: line for line in answer.document["checks"]}

    def line(self, name: str, **more: bool) -> tuple[str, str]:
        """A line's status, and its detail with the remedy; nothing else is looked at."""
        (found,) = preflight.inspect(names=[name], **more)
        assert bool(found.remedy) == (found.status != "PASS"), found
        assert self.sandbox.api_key not in str(found)
        return found.status, f"{found.detail} | {found.remedy}"

    def sql(self, statement: str) -> None:
        """Change the warehouse behind the pipeline's back."""
        self.terminal.execute(statement)


@pytest.fixture
def operator(terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Synced, with a channel; the people's addresses are made to look like those of a real company."""
    terminal.begin_after("sync")  # two quarters: what others begin with, too
    monkeypatch.setenv("CLARI_HISTORICAL_PERIODS", "4")
    monkeypatch.setenv("CLARI_SYNC_CRON", "30 0 * * *")  # after the week's close, in UTC
    operator = Operator(terminal, sandbox, monkeypatch)
    alike = [_ALIKE.format(quarter=CURRENT.shifted(-ago), before=CURRENT.shifted(-1)) for ago in (2, 3, 4)]
    people = ("forecast_user", "forecast_user_history", "forecast_user_sighting")
    real = [f"update clari.{table} set email = replace(email, '.example', '.com')" for table in people]
    operator.sql(";".join([*alike, *real]))
    monkeypatch.setenv("CLARI_ALERT_URLS", "json://127.0.0.1:9/nobody")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    sandbox.requests.clear()
    return operator


@pytest.fixture
def channel() -> Iterator[Callable[[int], str]]:
    """Makes web listeners that answer with a status; their addresses, as Apprise writes them."""
    with web_listeners() as listen:
        yield lambda status: address(listen("accepts" if status == 200 else "fails"))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
