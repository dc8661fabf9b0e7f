"""A warehouse is used by the environment that it belongs to, and by no other."""

from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr

from clari_pipeline.config.settings import SANDBOX_KEY
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.store.ledger import FETCHES
from tests.helpers.house import House, document, entry, moment, person
from tests.helpers.product_documents import GOOD, WEEK, ByHand, answers, audit, meeting
from tests.helpers.terminal import Terminal


def test_a_warehouse_refuses_every_environment_but_its_own(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says which and what to do, exit code 2, and Clari is not asked; until it is given away."""
    terminal.begin_after("sync", "--last", "1")  # without any, as before there were environments
    assert terminal("status").code == 0
    monkeypatch.setenv("CLARI_ENV", "staging")
    assert terminal("status").code == 0
    assert "belongs to no environment; CLARI_ENV names staging" in terminal("environment").out
    assert terminal("replay").code == 0
    assert "belongs to staging; CLARI_ENV names staging" in terminal("environment").out

    sandbox.requests.clear()
    for env, said in (("dev", "CLARI_ENV is dev"), ("", "CLARI_ENV is not set")):
        monkeypatch.setenv("CLARI_ENV", env)
        for words in (["sync"], ["status"], ["replay"], ["alerts", "list"]):
            answer = terminal(*words)
            assert (answer.code, answer.out) == (2, ""), words
            (line,) = answer.err.splitlines()
            assert f"warehouse data/warehouse.duckdb belongs to staging, and {said}: set CLARI_ENV=staging" in line
            assert "environment --take-over" in line
    assert not sandbox.requests
    assert not list((terminal.folder / "data").glob("*spool*"))  # nor is anybody woken
    assert terminal.query("select env from clari.warehouse_environment") == [("staging",)]

    monkeypatch.setenv("CLARI_ENV", "dev")
    assert "belonged to staging, and to dev from now on" in terminal("environment", "--take-over").out
    assert terminal("status").code == 0
    monkeypatch.setenv("CLARI_ENV", "staging")
    assert terminal("status").code == 2
    monkeypatch.setenv("CLARI_ENV", "")
    assert terminal("environment", "--take-over").code == 0
    assert terminal.query("select * from clari.warehouse_environment") == []


def test_a_sandboxs_figures_never_get_into_production(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its key or by its warehouse: exit code 2, and nothing is done. By its documents: refused."""
    assert sandbox.api_key.startswith(SANDBOX_KEY)
    terminal.begin_after("sync", "--last", "1")
    monkeypatch.setenv("CLARI_ENV", "prod")
    sandbox.requests.clear()
    refused = terminal("sync", "--last", "1")
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (2, "", 1)
    assert "the key is a sandbox's" in refused.err
    assert not sandbox.requests
    for words in (["replay"], ["environment", "--take-over"]):
        refused = terminal(*words)
        assert (refused.code, refused.out) == (2, "")
        assert "the warehouse holds 12 people of total_new with addresses in .example" in refused.err
    assert terminal.query("select * from clari.warehouse_environment") == []
    (terminal.folder / "data/warehouse.duckdb").unlink()
    refused = terminal("replay")
    assert refused.code == 1
    assert "its 12 people have addresses in .example, as a sandbox's have, and CLARI_ENV is prod" in refused.err
    assert terminal.query("select count(*) from clari.forecast_entry") == [(0,)]


def test_invented_people_are_refused_in_production_alone(tmp_path: Path) -> None:
    """Of forecasts, though the same document was merged before it was production, and of other products."""
    invented = document(entry("ann", call=1), people=[person("ann") | {"email": "Ann@Northwind.EXAMPLE"}])
    assert House(tmp_path).bring(invented, moment(10, 19)).export.state == "LOADED"
    house = House(tmp_path, env="prod")
    house.exports = 1
    outcome = house.bring(invented, moment(10, 20))
    assert (outcome.export.state, outcome.export.error.split(":")[0]) == ("REFUSED", "export_is_readable")
    assert house.bring(document(entry("ann", call=1)), moment(10, 21)).export.state == "LOADED"
    guest = meeting(participants=[{"name": "Bob", "email": "bob@customer.example", "isInternal": False}])
    colleague = meeting(participants=[{"name": "Bob", "email": "bob@northwind.example", "isInternal": True}])
    landed_before = ByHand(House(tmp_path, api_key=SecretStr(f"{SANDBOX_KEY}1")).context)
    nobody = {
        "limits": {"jobs": {"monthlyQuota": 30, "availableMonthlyQuota": 7}},
        "opportunity": answers({"id": "006A"}),
    }
    marked = [landed_before.land(name, content) for name, content in nobody.items()]
    by_hand = ByHand(house.context, numbers=count(len(marked)))
    for request_id in marked:  # these name nobody: whose key it was stands in the landing folder
        loader = by_hand.loader(request_id.partition("-")[0])
        loader.restore_ledger()
        loader.merge(request_id)
        with house.context.warehouse.session() as session:
            fetch = FETCHES.row(session, request_id)
        assert (fetch.state, "a sandbox has made it" in fetch.error) == ("REFUSED", True)
    assert by_hand.merge("limits", nobody["limits"]).state == "LOADED"
    for name, content, state in (
        ("audit", audit(GOOD, actors=[{"actorId": "1", "email": "bob@northwind.example"}]), "REFUSED"),
        ("audit", audit(GOOD, actors=[{"actorId": "1", "email": "bob@northwind.com"}]), "LOADED"),
        ("activity", {"activities": [colleague]}, "REFUSED"),
        ("activity", {"activities": [guest]}, "LOADED"),
    ):
        assert by_hand.merge(name, content, **WEEK).state == state
