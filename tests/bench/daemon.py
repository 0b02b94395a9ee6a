# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-alone hypervisord with directories of its own, and its guests."""
import json
import os
import pathlib
import signal
import subprocess

from benchlib import BUILD, SOURCE, Skip, Wire, wait_until

VM_START, VM_SAVE, VM_LIST = 44, 46, 41  # Request in proto/api.proto


def memory_kib(pid, field="Rss"):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} has no {field}")


def command_line(pid):
    return [text.decode() for text in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]]


class Hypervisord:
    def __init__(self, bench, volumes=None, configuration=""):
        if os.getuid():
            raise Skip("needs root: each QEMU runs as a user of its own")
        self.program, self.command = BUILD / "hypervisord", BUILD / "holdfast"
        if not self.program.exists():
            raise Skip(f"{self.program} is not built")
        self.directory = bench.directory()
        self.volumes = pathlib.Path(volumes) if volumes else self.directory / "volumes"
        self.run = bench.directory("/dev/shm") / "run"  # a tmpfs, as /run is
        self.socket = self.run / "hypervisord.sock"
        self.log = self.directory / "log"
        (self.directory / "conf").write_text(
            f"[node]\nname=solo\n[storage]\ndirectory={self.volumes}\n[hypervisor]\nmemory-reserve-mib=64\n"
            f"serial-directory={self.directory}\n{configuration}")
        self.process = None
        bench.on_end(self.end)
        self.start()

    def start(self):
        arguments = [self.program, "--standalone", "--config", self.directory / "conf", "--run-dir", self.run, "--state-dir",
                     self.directory / "state", "--log", self.log]
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        def answers():
            try:
                Wire(self.socket).ask(VM_LIST)
                return True
            except OSError:
                return False
        wait_until("hypervisord to answer", answers)

    @property
    def pid(self):
        return self.process.pid

    def hf(self, *arguments):
        done = subprocess.run([self.command, "--socket", self.socket, "--json", *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"holdfast {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def wire(self):
        return Wire(self.socket)

    def guest(self, vm):
        """The record of its QEMU; None while there is none."""
        try:
            return json.loads((self.run / "vms" / vm / "guest.json").read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def guest_pid(self, vm):
        return (self.guest(vm) or {}).get("pid", 0)

    def end(self):
        """Ends it, and the guests that it leaves behind."""
        self.process.kill()
        self.process.wait()
        for record in (self.run / "vms").glob("*/guest.json"):
            pid = json.loads(record.read_text())["pid"]
            try:
                if pid > 1 and "qemu" in pathlib.Path(f"/proc/{pid}/comm").read_text():
                    os.kill(pid, signal.SIGKILL)
                    wait_until("QEMU to end", lambda: not pathlib.Path(f"/proc/{pid}/fd").exists() or not os.listdir(f"/proc/{pid}/fd"))
            except (FileNotFoundError, ProcessLookupError):
                pass


def test_guest():
    """Kernel and initrd of the tests' guest."""
    guest = BUILD / "guest"
    subprocess.run([SOURCE / "tests/guest/build-guest", guest], check=True)  # does nothing for one that is up to date
    return guest / "vmlinuz", guest / "initrd.gz"
