# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of a lab is. Two labs differ in LAB_DIR and share nothing else."""
import os
import zlib

from .errors import USAGE, LabError


class Paths:
    def __init__(self):
        self.program = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))     # deploy/lab of the source
        source = os.path.dirname(os.path.dirname(self.program))
        self.build = os.path.abspath(os.environ.get("HOLDFAST_BUILD") or os.path.join(source, "build"))
        self.lab = os.path.abspath(os.environ.get("LAB_DIR") or os.path.join(self.build, "lab"))
        self.stage = os.path.abspath(os.environ.get("HOLDFAST_STAGE") or os.path.join(self.build, "stage"))
        self.binaries = os.path.join(self.build, "deploy/lab/bin")
        for path in (self.lab, self.stage):
            if set(path) & set(" ,:\t\n\"'\\"):
                raise LabError(f"'{path}': a lab's path must not contain spaces, quotes, commas or colons", USAGE)
        # Unix sockets have room for 107 bytes of path: they are not under LAB_DIR.
        name = f"{os.getuid()}:{os.path.realpath(self.lab)}".encode()
        tag = f"{zlib.crc32(name):08x}"
        session = os.environ.get("XDG_RUNTIME_DIR", "")
        self.runtime = os.path.join(session if os.access(session, os.W_OK) else "/tmp", f"holdfast-lab-{tag}")
        self.control = os.path.join(self.runtime, "control")
        self.config = os.path.join(self.lab, "lab.json")
        self.key = os.path.join(self.lab, "bmc.key")
        self.log = os.path.join(self.lab, "labd.log")

    def node(self, name, *more):
        return os.path.join(self.lab, "nodes", name, *more)

    def binary(self, name):
        return os.path.join(self.binaries, name)
