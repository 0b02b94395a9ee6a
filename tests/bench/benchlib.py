# SPDX-License-Identifier: GPL-3.0-or-later
"""What every bench uses: where things are, samples in turn, results, a request on the wire without a program's start."""
import json
import os
import pathlib
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLDFAST_BUILD", SOURCE / "build")).resolve()
BEGIN = time.monotonic()


class Skip(Exception):
    """A bench cannot be run here, and why."""


def say(text):
    print(f"[{time.monotonic() - BEGIN:6.1f} s] {text}", flush=True)


def wait_until(what, condition, timeout_s=30, pause_s=0.01):
    end = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise RuntimeError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(pause_s)


def load_note():
    """For a figure's note: how busy the machine is with other things too."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def need_packages():
    """The peers: packages that only the benchmarks use."""
    listed = [line.split("#")[0].strip() for line in (SOURCE / "deploy/packages-bench").read_text().splitlines()]
    listed = [name for name in listed if name]
    def missing(name):
        status = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", name], capture_output=True, text=True)
        return status.stdout != "installed"
    absent = [name for name in listed if missing(name)]
    if not absent:
        return
    if os.getuid():
        raise Skip(f"packages are missing; as root: apt-get install --no-install-recommends {' '.join(absent)}")
    policy = pathlib.Path("/usr/sbin/policy-rc.d")  # none of their daemons is started
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *absent], check=True,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=subprocess.DEVNULL)
    finally:
        if made:
            policy.unlink()


class Bench:
    def __init__(self, samples=0):
        self.samples_wanted = samples
        self.path = BUILD / "bench" / "results.json"
        self.undo = []

    def on_end(self, function, *arguments):
        self.undo.append((function, arguments))

    def clean_up(self):
        while self.undo:
            function, arguments = self.undo.pop()
            try:
                function(*arguments)
            except Exception as why:
                say(f"cleaning up: {why}")

    def directory(self, below=None):
        """A new empty directory that any user may enter; its path is short enough for sockets."""
        path = pathlib.Path(tempfile.mkdtemp(prefix="hb.", dir=below or "/tmp"))
        path.chmod(0o755)
        self.on_end(shutil.rmtree, path, True)
        return path

    def samples(self, default):
        return self.samples_wanted or default

    def in_turn(self, count, *functions):
        """count samples of each function, one after the other; a list of samples for each."""
        taken = [[] for _ in functions]
        for _ in range(count):
            for samples, function in zip(taken, functions):
                samples.append(function())
        return taken

    def result(self, name, unit, ours, reference=None, reference_name="", note=""):
        median = lambda values: round(statistics.median(values), 3) if values else None
        entry = {"name": name, "ours": median(ours), "reference": median(reference), "reference_name": reference_name,
                 "ratio": None, "unit": unit, "samples": len(ours), "note": note}
        if entry["reference"]:
            entry["ratio"] = round(entry["ours"] / entry["reference"], 3)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        old = json.loads(self.path.read_text()) if self.path.exists() else []
        entries = [other for other in old if other["name"] != name] + [entry]
        scratch = self.path.with_suffix(".new")
        scratch.write_text(json.dumps(entries, indent=1) + "\n")
        scratch.rename(self.path)
        say(f"{name}: {entry['ours']} {unit}" + (f", {reference_name} {entry['reference']}: ratio {entry['ratio']}" if reference else "") +
            (f" ({note})" if note else ""))
        return entry


# ---- a request of proto/api.proto, as bytes: small enough to be made by hand

def _varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _field(number, payload):
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


class Wire:
    """One connection to a daemon's socket. ask() returns when the last reply is there."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.id = 0

    def send(self, number, name=None):
        """The request whose body is field NUMBER: a Name, or Empty."""
        self.id += 1
        body = _varint(1 << 3) + _varint(self.id) + _field(number, _field(1, name.encode()) if name else b"")
        self.socket.sendall(struct.pack(">I", len(body)) + body)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise RuntimeError("the daemon hung up")
            data += more
        return data

    def receive(self):
        """The number of the reply's body and its bytes."""
        while True:
            reply = self._exactly(struct.unpack(">I", self._exactly(4))[0])
            at, number, payload = 0, 0, b""
            while at < len(reply):
                def varint():
                    nonlocal at
                    value = shift = 0
                    while True:
                        byte = reply[at]
                        at += 1
                        value |= (byte & 127) << shift
                        shift += 7
                        if byte < 128:
                            return value
                key = varint()
                if key & 7 == 0:
                    varint()
                elif key & 7 == 2:
                    size = varint()
                    number, payload = key >> 3, reply[at:at + size]
                    at += size
                else:
                    raise RuntimeError("a reply with an unexpected field")
            if number not in (3, 4):  # progress, event: more will come
                break
        if number == 2:
            raise RuntimeError(f"refused: {payload!r}")
        return number, payload

    def ask(self, number, name=None):
        self.send(number, name)
        return self.receive()


if __name__ == "__main__":
    sys.exit("this is a part of tests/bench/run")
