"""Handle Ctrl-C and SIGTERM between two steps, never in the middle of one.

Python raises it wherever the main thread happens to be, in the middle of a database's clean-up too. So the work is
done in a thread of its own, which no signal reaches, and is asked to stop.
"""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_Result = TypeVar("_Result")


def run_interruptibly(work: Callable[[], _Result], *, stop: Callable[[], None]) -> _Result:
    """Run `work` in a thread; at Ctrl-C or SIGTERM call `stop`, and wait until the work has ended.

    What the work raises is raised here. A second Ctrl-C leaves at once, as a kill would.
    """
    done: Future[_Result] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where the work was asked for
            done.set_exception(error)

    is_main = threading.current_thread() is threading.main_thread()
    # SIGTERM, by which services are stopped, raises `KeyboardInterrupt`, too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if is_main else None
    try:
        threading.Thread(target=do, name="work", daemon=True).start()
        try:
            return done.result()
        except KeyboardInterrupt:
            if done.done():  # it was the work itself that was stopped
                raise
            stop()
            return done.result()
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)
