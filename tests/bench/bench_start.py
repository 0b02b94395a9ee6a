# SPDX-License-Identifier: GPL-3.0-or-later
"""start-overhead: a request to start a VM until its QEMU greets, against a bare QEMU with the same arguments. crash-restart: a guest's QEMU
killed until the next one is spawned."""
import os
import re
import signal
import socket
import subprocess
import time

from benchlib import wait_until
from daemon import VM_START, Hypervisord, command_line

NAMES = ("start-overhead", "crash-restart")


def greeting(path, old):
    """Waits for the socket of another inode than OLD and reads QEMU's greeting from it."""
    wait_until("QEMU's socket", lambda: path.exists() and path.stat().st_ino != old, pause_s=0.0005)
    with socket.socket(socket.AF_UNIX) as client:
        wait_until("QEMU to listen", lambda: not client.connect_ex(str(path)), pause_s=0.0005)
        return client.recv(4096)


class Bare:
    """The same QEMU without us: what we open for it is opened here before the clock starts."""

    def __init__(self, bench, arguments):
        self.directory = bench.directory()
        self.arguments = arguments
        self.high = [int(number) for text in arguments for number in re.findall(r"(?:fd=|/proc/self/fd/)(\d+)", text)]

    def descriptor(self, number):
        text = next(text for text in self.arguments if re.search(rf"(fd={number}\b|/proc/self/fd/{number}\b)", text))
        if "mem-path" in text:
            fd = os.memfd_create("bare")
            os.ftruncate(fd, int(re.search(r"size=(\d+)K", text)[1]) * 1024)
            return fd
        if "socket," in text:
            path = self.directory / f"{number}.sock"
            path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            listener.listen(4)
            return listener.detach()
        return os.open(self.directory / f"{number}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def sample(self):
        opened = {}
        for number in sorted(set(self.high)):
            fd = self.descriptor(number)
            opened[number] = os.dup2(fd, number + 100, inheritable=False)
            os.close(fd)
        arguments = [re.sub(r"(?<![a-z])(fd=|/proc/self/fd/)(\d+)", lambda found: f"{found[1]}{int(found[2]) + 100}", text)
                     for text in self.arguments]
        qmp = next(int(re.search(r"fd=(\d+)", text)[1]) for text in self.arguments if "id=agent" in text)
        begin = time.monotonic()
        process = subprocess.Popen(arguments, pass_fds=list(opened.values()), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.directory / f"{qmp}.sock"))
            client.recv(4096)
        took = (time.monotonic() - begin) * 1000
        process.kill()
        process.wait()
        for fd in opened.values():
            os.close(fd)
        return took


def start_overhead(bench, daemon):
    daemon.hf("vm", "create", "s", "--group", "g", "--memory", "64", "--disk", "16M")
    daemon.hf("vm", "start", "s")
    path = daemon.run / "vms/s/agent.sock"
    bare = Bare(bench, command_line(daemon.guest_pid("s")))
    wire = daemon.wire()

    def ours():
        daemon.hf("vm", "stop", "s", "--force")
        begin = time.monotonic()
        wire.send(VM_START, "s")
        greeting(path, 0)
        took = (time.monotonic() - begin) * 1000
        wire.receive()
        return took

    ours_ms, bare_ms = bench.in_turn(bench.samples(15), ours, bare.sample)
    bench.result("start-overhead", "ms", ours_ms, bare_ms, "bare QEMU, same arguments", "smaller is better; limit: ratio 1.25")
    daemon.hf("vm", "stop", "s", "--force")


def crash_restart(bench, daemon):
    took = []
    for i in range(bench.samples(12)):
        name = f"c{i}"
        daemon.hf("vm", "create", name, "--group", "g", "--memory", "64", "--disk", "16M")
        daemon.hf("vm", "start", name)
        pid = daemon.guest_pid(name)
        begin = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        wait_until("the next QEMU", lambda: daemon.guest_pid(name) not in (0, pid), pause_s=0.0005)
        took.append((time.monotonic() - begin) * 1000)
        wait_until("the guest to run", lambda: daemon.hf("vm", "show", name)["state"] == "running")
        daemon.hf("vm", "stop", name, "--force")
        daemon.hf("vm", "delete", name)
    bench.result("crash-restart", "ms", took, note=f"smaller is better; limit: 100 ms; slowest {max(took):.0f}")


def run(names, bench):
    daemon = Hypervisord(bench)
    daemon.hf("group", "create", "g")
    daemon.hf("vm", "create", "warm", "--group", "g", "--memory", "16")
    daemon.hf("group", "start", "g")
    if "start-overhead" in names:
        start_overhead(bench, daemon)
    if "crash-restart" in names:
        crash_restart(bench, daemon)
