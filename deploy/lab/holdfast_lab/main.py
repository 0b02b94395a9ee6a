# SPDX-License-Identifier: GPL-3.0-or-later
"""Where `lab` begins. Exit status: 0 done, 1 failed (one line on stderr), 2 usage, 3 no such thing; `exec` has the command's own, 255 if the
node was not there for it. Tests run `exec` thousands of times: what it does not need is not imported for it."""
import signal
import sys

from . import execute
from .errors import FAILED, USAGE, LabError
from .paths import Paths


def ended_by_signal(signum, frame):
    raise SystemExit(128 + signum)      # so that what has been begun is cleaned up


def run(words):
    paths = Paths()
    if words[:1] == ["exec"] and words[1:2] not in (["-h"], ["--help"]):
        if len(words) < 3:
            raise LabError("usage: lab exec NODE CMD...", USAGE)
        return execute.run_here(paths, words[1], words[2:])
    from . import cli
    return cli.main(paths, words)


def main(words):
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, ended_by_signal)
    try:
        return run(words)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.status
    except BrokenPipeError:
        return 141
    except OSError as error:
        print(f"lab: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130
