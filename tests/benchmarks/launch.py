"""Starts a command and writes down what it cost: a program of its own, because of how peak memory is counted.

On Linux a process begins with the peak of the one that it was made by; this one is as small as Python can be.
"""

import json
import os
import sys
import time


def main() -> None:
    report, *command = sys.argv[1:]
    begun = time.monotonic()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - begun
    peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    with open(report, "w") as file:  # noqa: PTH123 - pathlib is memory, too
        json.dump(
            {
                "code": os.waitstatus_to_exitcode(status),
                "seconds": seconds,
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
                "peak_bytes": peak_bytes,
            },
            file,
        )


main()
