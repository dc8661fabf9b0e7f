"""Run functions in separate processes, forked from a server that has imported everything: saves a second each."""

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.helpers import allocator

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.helpers.warm"])


@dataclass(frozen=True)
class Ended:
    """The exit code and output of a process."""

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
    """Start such a process without waiting, in `folder`, with more variables; `out` and `err` are files or FIFOs."""
    variables = dict(os.environ) | dict(environment or {})
    process = _processes.Process(target=_call, args=(str(folder or Path.cwd()), variables, out, err, what, arguments))
    with allocator.preloading():  # for the server that forks them, which the first one starts
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
    """Run a command; the steps of a sync are called without Dagster."""
    from clari_pipeline.cli import app as cli  # noqa: PLC0415 - in the process that needs it
    from tests.helpers.direct_steps import direct_steps  # noqa: PLC0415

    return cli.run(list(words), open_steps=direct_steps)


def program(*words: str) -> int:
    """Run a command; each quarter of a sync is a Dagster run."""
    from clari_pipeline.cli import app as cli  # noqa: PLC0415

    return cli.run(list(words))


def command_on_a_full_disk(*words: str) -> int:
    """`command` with a file size limit of 1 MiB (`RLIMIT_FSIZE`), which fails like a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    return command(*words)


def publish_on_a_full_disk() -> None:
    """Publish with that limit; print whether it succeeded, and the problems."""
    from clari_pipeline.config.settings import read_settings  # noqa: PLC0415
    from clari_pipeline.sync.context import Context  # noqa: PLC0415
    from clari_pipeline.sync.publishing import publish  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    context = Context.of(read_settings())
    published = publish(context.warehouse, context.places)
    print(published.is_done, *(problem.line for problem in published.problems))  # noqa: T201 - for the caller


def publish_and_die(event: str, name: str) -> None:
    """Publish, and kill this process at the first such audit event on a file of that name."""
    from clari_pipeline.config.settings import read_settings  # noqa: PLC0415
    from clari_pipeline.sync.context import Context  # noqa: PLC0415
    from clari_pipeline.sync.publishing import publish  # noqa: PLC0415
    from clari_pipeline.sync.refreshing import Marts  # noqa: PLC0415

    context = Context.of(read_settings())
    Marts(context).refresh("pipeline_health")

    def die(happened: str, arguments: tuple[Any, ...]) -> None:
        if happened == event and any(str(one).endswith(name) for one in arguments):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    publish(context.warehouse, context.places)
