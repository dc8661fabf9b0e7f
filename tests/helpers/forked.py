"""Processes of their own that have imported everything already: forked from one that did, a second less each."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.helpers import allocator

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.helpers.warm"])


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it wrote."""

    code: int
    out: str
    err: str


def run(what: Callable[..., int | None], *arguments: Any) -> Ended:
    """Call a module's function in a process with this one's folder and environment, and wait for its end."""
    folder = Path(mkdtemp())
    out, err = folder / "out", folder / "err"
    process = begin(what, *arguments, out=out, err=err)
    process.join(120)
    assert process.exitcode is not None, (what, arguments)
    return Ended(process.exitcode, out.read_text(), err.read_text())


def begin(
    what: Callable[..., int | None],
    *arguments: Any,
    out: Path,
    err: Path,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> ForkServerProcess:
    """The same, without waiting, in another folder if one is named, with more variables; what it writes goes to these
    files, or pipes that have a name.
    """
    variables = dict(os.environ) | dict(environment or {})
    process = _processes.Process(target=_call, args=(str(folder or Path.cwd()), variables, out, err, what, arguments))
    with allocator.chosen_again():  # for the server that forks them, which the first one starts
        process.start()
    return process


def _call(
    folder: str,
    environment: dict[str, str],
    out: Path,
    err: Path,
    what: Callable[..., int | None],
    arguments: tuple[Any, ...],
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    code = what(*arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def command(*words: str) -> int:
    """A command as it is typed; the steps of a sync are run without Dagster."""
    from clari_pipeline.cli import app as cli  # noqa: PLC0415 - in the process that needs it
    from tests.helpers.direct_runner import direct_runners  # noqa: PLC0415

    return cli.run(list(words), runners=direct_runners)


def program(*words: str) -> int:
    """A command as it is typed, each quarter of a sync a run in Dagster."""
    from clari_pipeline.cli import app as cli  # noqa: PLC0415

    return cli.run(list(words))


def command_on_a_full_disk(*words: str) -> int:
    """The same where no file can be larger than a megabyte, as on a disk that has no more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    return command(*words)


def publish_on_a_full_disk() -> None:
    """Publish on such a disk; say what came of it."""
    from clari_pipeline.config.settings import read_settings  # noqa: PLC0415
    from clari_pipeline.sync.pipeline import Pipeline  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    pipeline = Pipeline(read_settings())
    print(pipeline.publish(), *pipeline.remarks)  # noqa: T201 - for who called it


def publish_and_die(event: str, name: str) -> None:
    """Publish anew, and be killed at the first such event of a file of that name."""
    from clari_pipeline.config.settings import read_settings  # noqa: PLC0415
    from clari_pipeline.sync.pipeline import Pipeline  # noqa: PLC0415

    pipeline = Pipeline(read_settings())
    pipeline.refresh_mart("pipeline_health")

    def die(happened: str, arguments: tuple[Any, ...]) -> None:
        if happened == event and any(str(one).endswith(name) for one in arguments):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    pipeline.publish()


def sync_and_die(last: int, name: str, number: int) -> int:
    """A sync of the last so many quarters that is killed once the ledger has the n-th event of that name."""
    from clari_pipeline.cli import commands  # noqa: PLC0415
    from clari_pipeline.config.settings import read_settings  # noqa: PLC0415
    from clari_pipeline.sync.events import Event, Hooks  # noqa: PLC0415
    from tests.helpers.direct_runner import direct_runners  # noqa: PLC0415

    seen = count()

    def die(event: Event) -> None:
        if type(event).__name__ == name and next(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return commands.sync(
        read_settings(),
        quarters=[],
        forecasts=(),
        last=last,
        as_json=False,
        is_sandbox=False,
        hooks=Hooks([die]),
        runners=direct_runners,
    )
