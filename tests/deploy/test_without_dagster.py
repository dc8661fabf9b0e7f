"""Where Dagster cannot keep its runs, nothing is asked of Clari: an export would be spent."""

import pytest

from clari_pipeline.sandbox import Sandbox
from tests.conftest import dagster_home, sandbox, shared_sandbox, terminal
from tests.helpers.listeners import free_port
from tests.helpers.terminal import Terminal

__all__ = ["dagster_home", "sandbox", "shared_sandbox", "terminal"]
_STORAGE = """
storage:
  postgres:
    postgres_db:
      hostname: 127.0.0.1
      port: {port}
      username: dagster
      password: {password}
      db_name: dagster
"""


@pytest.mark.parametrize(
    ("password", "said"),
    [
        pytest.param("secret-word", "refused", marks=pytest.mark.soak),
        ("{env: DAGSTER_WORD}", "DAGSTER_WORD is not set"),
    ],
)
def test_a_sync_ends_before_clari_is_asked(terminal: Terminal, sandbox: Sandbox, password: str, said: str) -> None:
    """One line: what is wrong, and what to do."""
    settings = terminal.folder / "dagster_home" / "dagster.yaml"
    settings.write_text(_STORAGE.format(port=free_port(), password=password))
    answer = terminal.with_dagster("sync", "--last", "1")
    (line,) = [line for line in answer.err.splitlines() if line.startswith("clari-pipeline")]
    assert answer.code == 1
    assert "cannot be used" in line and said in line and "dagster_unavailable" in line
    assert "secret-word" not in answer.err
    assert [seen for seen in sandbox.requests if seen.method == "POST"] == []
