"""Dagster as `deploy/` runs it, without containers: a code server, a daemon and run workers on a real PostgreSQL."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import dagster as dg
import psycopg
import stamina
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from clari_pipeline.core.project import project_file

DEPLOY = project_file("pyproject.toml").parent / "deploy"
_PROGRAMS = Path(sys.executable).parent


def loaded(name: str) -> Any:
    """A YAML file of `deploy/`."""
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


@contextmanager
def database_of_its_own(address: str) -> Iterator[dict[str, str]]:
    """A new database on that server, as the variables that `dagster.yaml` reads."""
    name = f"dagster_{uuid4().hex[:12]}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    there = {key: str(value) for key, value in conninfo_to_dict(make_conninfo(address, dbname=name)).items()}
    try:
        yield {
            "DAGSTER_POSTGRES_HOST": there["host"],
            "DAGSTER_POSTGRES_PORT": there.get("port", "5432"),
            "DAGSTER_POSTGRES_DB": name,
            "DAGSTER_POSTGRES_USER": there["user"],
            "DAGSTER_POSTGRES_PASSWORD": there.get("password", ""),
        }
    finally:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f'drop database "{name}" with (force)')


def home_of(folder: Path) -> Path:
    """A DAGSTER_HOME with the deployment's settings, and every interval of the daemon a second."""
    settings = loaded("dagster.yaml")
    settings["run_coordinator"]["config"]["dequeue_interval_seconds"] = 1
    settings["run_monitoring"]["poll_interval_seconds"] = 1
    home = folder / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return home


def until(condition: Callable[[], Any], what: str, *, seconds: float = 120) -> Any:
    """Poll the condition until its value is true; returns it."""
    for attempt in stamina.retry_context(
        on=AssertionError, attempts=None, timeout=seconds, wait_initial=0.05, wait_max=0.3
    ):
        with attempt:
            found = condition()
            assert found, f"{what}: not within {seconds:.0f} s"
    return found


class Fleet:
    """The processes of the deployment, and what a user of Dagster's UI would see and do."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = os.environ | dict(environment) | {"PATH": f"{_PROGRAMS}:{os.environ['PATH']}"}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        workspace = loaded("workspace.yaml")
        workspace["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": self.port}
        (folder / "workspace.yaml").write_text(yaml.safe_dump(workspace), encoding="utf-8")
        self._stack = ExitStack()
        self._code: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.kill_code_server)
            self.start_code_server()
            self.prepare()
            self.instance = stack.enter_context(dg.DagsterInstance.from_config(self.environment["DAGSTER_HOME"]))
            self._begin("daemon", stack, "dagster-daemon", "run", "--workspace", str(self.folder / "workspace.yaml"))
            self._until_code_server_answers()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def log(self, name: str) -> str:
        """The log of a process."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def prepare(self) -> None:
        """Run the script of the compose file's service `prepare`."""
        subprocess.run(
            [*loaded("compose.yaml")["services"]["prepare"]["command"][:-1], self._prepare_script()],
            cwd=self.folder,
            env=self.environment | {"CLARI_EXPORTS_AT_ONCE": "3"},
            check=True,
            capture_output=True,
        )

    def launch(self, quarter: object) -> str:
        """Queue a run of a quarter, as the UI does; returns its id."""
        run_id = str(uuid4())
        tags = json.dumps({"dagster/partition": str(quarter)})
        words = ["job", "launch", "-w", "workspace.yaml", "-j", "sync_quarter", "--run-id", run_id, "--tags", tags]
        subprocess.run(
            [_PROGRAMS / "dagster", *words], cwd=self.folder, env=self.environment, check=True, capture_output=True
        )
        return run_id

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def status(self, run_id: str) -> str:
        return self.run(run_id).status.value

    def until_status(self, run_id: str, status: str) -> None:
        until(lambda: self.status(run_id) == status, f"run {run_id} {status}, it is {self.status(run_id)}")

    def retry_of(self, run_id: str) -> str:
        """The id of the run by which Dagster retried one that was killed."""
        found: str = until(
            lambda: next((run.run_id for run in self.instance.get_runs() if run.parent_run_id == run_id), None),
            f"a retry of {run_id}",
        )
        return found

    def has_said(self, run_id: str, words: str) -> bool:
        """Whether the run's log has an engine event with this text."""
        events = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        return any(words in event.user_message + str(event.message) for event in events)

    def kill_worker(self, run_id: str) -> None:
        """Kill the process of the run."""
        started = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        pids = {
            str(data.metadata["pid"].value)
            for event in started
            if event.dagster_event and "pid" in (data := event.dagster_event.engine_event_data).metadata
        }
        (pid,) = pids
        os.kill(int(pid), signal.SIGKILL)

    def start_code_server(self) -> None:
        _, _, *arguments = loaded_command()
        words = [word.replace("0.0.0.0", "127.0.0.1").replace("4000", str(self.port)) for word in arguments]
        self._code = self._begin("code", None, "dagster", "api", *words)

    def kill_code_server(self) -> None:
        """Kill it with all its run workers, as the end of its container does."""
        if self._code is not None:
            os.killpg(self._code.pid, signal.SIGKILL)
            self._code.wait()
            self._code = None

    def _until_code_server_answers(self) -> None:
        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        until(answers, "the code server")

    def _begin(self, name: str, stack: ExitStack | None, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                [_PROGRAMS / program, *arguments],
                env=self.environment,
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if stack is not None:
            stack.callback(process.wait)
            stack.callback(process.terminate)
        return process

    @staticmethod
    def _prepare_script() -> str:
        """The script of the service, `$$` unescaped as compose does."""
        script: str = loaded("compose.yaml")["services"]["prepare"]["command"][-1]
        return script.replace("$$", "$")


def loaded_command() -> list[str]:
    """The default command of the image."""
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    command: list[str] = yaml.safe_load(next(line for line in lines if line.startswith("CMD")).removeprefix("CMD "))
    return command
