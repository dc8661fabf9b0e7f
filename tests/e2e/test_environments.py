"""A warehouse is used by the environment that it belongs to, and by no other."""

from __future__ import annotations

import pytest

from clari_pipeline.sandbox import Sandbox
from tests.helpers.terminal import Terminal


def test_a_warehouse_refuses_every_environment_but_its_own(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says which and what to do, exit code 2, and Clari is not asked; until it is given away."""
    terminal.begin_after("sync", "--last", "1")  # without any, as before there were environments
    assert terminal("status").code == 0
    monkeypatch.setenv("CLARI_ENV", "prod")
    assert terminal("status").code == 0
    assert "belongs to no environment; CLARI_ENV names prod" in terminal("environment").out
    assert terminal("replay").code == 0
    assert "belongs to prod; CLARI_ENV names prod" in terminal("environment").out

    sandbox.requests.clear()
    for env, said in (("dev", "CLARI_ENV is dev"), ("", "CLARI_ENV is not set")):
        monkeypatch.setenv("CLARI_ENV", env)
        for words in (["sync"], ["status"], ["replay"], ["alerts", "list"]):
            answer = terminal(*words)
            assert (answer.code, answer.out) == (2, ""), words
            (line,) = answer.err.splitlines()
            assert f"warehouse data/warehouse.duckdb belongs to prod, and {said}: set CLARI_ENV=prod" in line
            assert "environment --take-over" in line
    assert not sandbox.requests
    assert not list((terminal.folder / "data").glob("*spool*"))  # nor is anybody woken
    assert terminal.query("select env from clari.warehouse_environment") == [("prod",)]

    monkeypatch.setenv("CLARI_ENV", "dev")
    assert "belonged to prod, and to dev from now on" in terminal("environment", "--take-over").out
    assert terminal("status").code == 0
    monkeypatch.setenv("CLARI_ENV", "prod")
    assert terminal("status").code == 2
    monkeypatch.setenv("CLARI_ENV", "")
    assert terminal("environment", "--take-over").code == 0
    assert terminal.query("select * from clari.warehouse_environment") == []


def test_no_other_name_is_taken(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLARI_ENV", "production")
    refused = terminal("sync")
    assert (refused.code, "CLARI_ENV: " in refused.err, len(refused.err.splitlines())) == (2, True, 1)
