# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's side of labd's control socket: a line per request, `ok` or `error CODE TEXT` as the last line of an answer."""
import socket

from .errors import LabError


class Control:
    """One connection. Use it in a `with`."""

    def __init__(self, paths, timeout_s=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_s)
        self.rest = b""
        try:
            self.socket.connect(paths.control)
        except (FileNotFoundError, ConnectionRefusedError):
            raise LabError(f"there is no lab in {paths.lab}: `lab up` starts one") from None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def fileno(self):
        return self.socket.fileno()

    def send(self, *words):
        self.socket.sendall(" ".join(str(word) for word in words).encode() + b"\n")

    def read(self):
        """Takes in what has come. False: labd has gone."""
        got = self.socket.recv(65536)
        self.rest += got
        return bool(got)

    def take_line(self):
        """The next whole line that has been read, or None."""
        line, newline, rest = self.rest.partition(b"\n")
        if not newline:
            return None
        self.rest = rest
        return line.decode(errors="replace")

    def next_line(self):
        while (line := self.take_line()) is None:
            try:
                if not self.read():
                    raise LabError("labd has ended: see labd.log")
            except TimeoutError:
                raise LabError("labd does not answer") from None
        return line

    def ask(self, *words):
        """Sends a request; returns the lines before `ok`."""
        self.send(*words)
        lines = []
        while (line := self.next_line()) != "ok":
            raise_error(line)
            lines.append(line)
        return lines

    def status(self):
        import json     # not for those who only run a command in a node

        return json.loads(self.ask("status")[0])


def raise_error(line):
    if line.startswith("error "):
        _, code, text = line.split(" ", 2)
        raise LabError(text, int(code))
