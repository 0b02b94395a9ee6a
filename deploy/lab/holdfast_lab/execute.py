# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in nodes: the words, the input and the output are files in the node's spool (see node/commands.h); labd tells when they begin,
when there is more output, and how they ended."""
import os
import select
import stat
import sys

from .control import Control, raise_error
from .errors import NODE_GONE, LabError

PIECE_BYTES = 1 << 20
POLL_BYTES = 1 << 16


def words_of(command):
    """One word is a line for the shell, as with ssh; more are a program and its arguments, untouched."""
    return ["/bin/bash", "-c", command[0]] if len(command) == 1 else list(command)


def wants_stdin(fd):
    try:
        about = os.fstat(fd)
    except OSError:
        return False
    if os.isatty(fd):
        return False
    return not (stat.S_ISCHR(about.st_mode) and about.st_rdev == os.makedev(1, 3))      # /dev/null


class Run:
    """One command in one node. `stdin`, `stdout`, `stderr`: descriptors; stdin None for none."""

    def __init__(self, paths, node, command, stdin=None, stdout=1, stderr=2):
        self.id = os.urandom(5).hex()
        self.base = paths.node(node, "spool", self.id)
        self.node, self.stdin, self.pieces = node, stdin, 0
        self.outputs = {"out": [stdout, None], "err": [stderr, None]}
        self.control = Control(paths)
        self.words = ["none" if stdin is None else "stdin", *words_of(command)]

    def path(self, suffix):
        return f"{self.base}.{suffix}"

    def write_file(self, suffix, content):
        with open(self.path(suffix), "wb") as file:
            file.write(content)

    def feed(self):
        """Hands on what stdin has now; at its end, says so and stops."""
        data = os.read(self.stdin, PIECE_BYTES)
        if not data:
            self.stdin = None
            self.control.send("eof")
            return
        self.write_file(f"in.{self.pieces}", data)
        self.control.send("in", self.pieces)
        self.pieces += 1

    def drain(self):
        for suffix, output in self.outputs.items():
            if output[1] is None:
                try:
                    output[1] = open(self.path(suffix), "rb")
                except FileNotFoundError:
                    continue
            while data := output[1].read(POLL_BYTES):
                view = memoryview(data)
                while view:
                    view = view[os.write(output[0], view):]

    def take_news(self):
        """Returns the command's status once it is known."""
        if not self.control.read():
            raise LabError("labd has ended: see labd.log", NODE_GONE)
        while (line := self.control.take_line()) is not None:
            raise_error(line)
            self.drain()
            if line == "gone":
                raise LabError(f"node {self.node} went away while the command ran", NODE_GONE)
            if line.startswith("exit "):
                return int(line.split()[1])
        return None

    def clean(self):
        self.control.socket.close()
        for output in self.outputs.values():
            if output[1]:
                output[1].close()
        suffixes = ["cmd", "out", "err", *(f"in.{piece}" for piece in range(self.pieces))]
        for suffix in suffixes:
            try:
                os.remove(self.path(suffix))
            except FileNotFoundError:
                pass

    def run(self):
        try:
            try:
                self.write_file("cmd", b"".join(os.fsencode(word) + b"\0" for word in self.words))
            except FileNotFoundError:
                raise LabError(f"no node '{self.node}' in this lab; `lab status` lists them", 3) from None
            self.control.send("exec", self.node, self.id)
            while True:
                watched = [self.control] if self.stdin is None else [self.control, self.stdin]
                ready, _, _ = select.select(watched, [], [])
                if self.control in ready:
                    status = self.take_news()
                    if status is not None:
                        return status
                if self.stdin is not None and self.stdin in ready:
                    self.feed()
        finally:
            self.clean()


def run_here(paths, node, command):
    """`lab exec`: our own stdin, stdout, stderr."""
    sys.stdout.flush()
    try:
        return Run(paths, node, command, stdin=0 if wants_stdin(0) else None).run()
    except LabError as error:
        # Only a status above those of commands says that it was not the command's.
        raise LabError(str(error), NODE_GONE) from None
    except BrokenPipeError:
        return 141


def capture(paths, node, command):
    """Runs it without input; returns its status and what it wrote to stdout and stderr."""
    read_end, write_end = os.memfd_create("out"), os.memfd_create("err")
    try:
        status = Run(paths, node, command, stdout=read_end, stderr=write_end).run()
        texts = []
        for fd in (read_end, write_end):
            os.lseek(fd, 0, os.SEEK_SET)
            with os.fdopen(os.dup(fd), "rb") as file:
                texts.append(file.read().decode(errors="replace"))
        return status, texts[0], texts[1]
    finally:
        os.close(read_end)
        os.close(write_end)
