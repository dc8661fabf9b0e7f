"""Stop at Ctrl-C or SIGTERM between two steps, never in the middle of one.

Python raises `KeyboardInterrupt` in the main thread, at any bytecode, even inside a database's clean-up. So the work
runs in another thread, which no signal reaches, and is asked to stop.
"""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_Result = TypeVar("_Result")


def run_interruptibly(work: Callable[[], _Result], *, stop: Callable[[], None]) -> _Result:
    """Run `work` in a thread; at Ctrl-C or SIGTERM call `stop`, and wait until the work has ended.

    Returns what it returns and raises what it raises. A second Ctrl-C does not wait for the work.
    """
    done: Future[_Result] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - re-raised in the main thread
            done.set_exception(error)

    is_main = threading.current_thread() is threading.main_thread()
    # SIGTERM, by which services are stopped, is made to raise `KeyboardInterrupt`, too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if is_main else None
    try:
        threading.Thread(target=do, name="work", daemon=True).start()
        try:
            return done.result()
        except KeyboardInterrupt:
            if done.done():  # the work itself raised it
                raise
            stop()
            return done.result()
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)
