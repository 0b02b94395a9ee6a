# SPDX-License-Identifier: GPL-3.0-or-later
"""save-throughput: a guest of 512 MiB, 70 % of it incompressible, saved, against dd of the same file. restore-start-N: such a guest of N MiB restored
to running, against the start of a bare QEMU with as much preallocated memory. The guest sits in its firmware, paused; its memory is filled from outside."""
import mmap
import os
import pathlib
import re
import subprocess
import time

from bench_start import Bare
from benchlib import say
from daemon import VM_SAVE, VM_START, Hypervisord, command_line

SIZES = (128, 512, 2048)
NAMES = ("save-throughput", *(f"restore-start-{size}" for size in SIZES))
MIB = 1 << 20


def ram(pid):
    """The guest's memory, as a path that any process may open."""
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        if os.readlink(entry).startswith("/memfd:holdfast-ram0"):
            return entry
    raise RuntimeError(f"process {pid} has no guest memory")


def fill(pid, mib):
    with open(ram(pid), "r+b", buffering=0) as memory:
        block = os.urandom(16 * MIB)
        for at in range(2, 2 + mib * 7 // 10):
            memory.seek(at * MIB)
            memory.write(block[at % 16 * MIB:][:MIB])


def make(daemon, mib):
    """A VM that is paused with its memory filled; None: too much for this machine."""
    name = f"m{mib}"
    daemon.hf("vm", "create", name, "--group", "g", "--memory", str(mib), "--disk", "16M")
    daemon.hf("vm", "start", name)
    daemon.hf("vm", "pause", name)
    fill(daemon.guest_pid(name), mib)
    return name


def timed(function, *arguments):
    begin = time.monotonic()
    function(*arguments)
    return time.monotonic() - begin


def dd(*arguments):
    subprocess.run(["dd", "bs=1M", "status=none", *arguments], check=True)


def save_throughput(bench, daemon):
    name = make(daemon, 512)
    wire = daemon.wire()
    saved = daemon.volumes / "g/state" / f"{name}.saved"
    copy = bench.directory("/dev/shm") / "copy"
    sizes = []

    def ours():
        took = timed(wire.ask, VM_SAVE, name)
        sizes.append(saved.stat().st_size)
        if not copy.exists():
            dd(f"if={saved}", f"of={copy}")
        wire.ask(VM_START, name)
        return sizes[-1] / MIB / took

    def theirs():
        target = daemon.volumes / "dd"
        took = timed(dd, f"if={copy}", f"of={target}", "oflag=direct", "conv=fsync")
        target.unlink()
        return copy.stat().st_size / MIB / took

    bench.result("save-throughput", "MiB/s", *bench.in_turn(bench.samples(7), ours, theirs), "dd oflag=direct conv=fsync",
                 f"larger is better; limit: ratio 0.7; {sizes[-1] / MIB:.0f} MiB, from the request to QEMU's end")
    daemon.hf("vm", "stop", name, "--force")
    daemon.hf("vm", "delete", name)


def direct_read_ms(path):
    """The file read with direct I/O, nothing else: less than what can be read and summed."""
    buffer = mmap.mmap(-1, 4 * MIB)
    begin = time.monotonic()
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    while os.readv(fd, [buffer]):
        pass
    os.close(fd)
    return (time.monotonic() - begin) * 1000


def restore_start(bench, daemon, mib):
    name = make(daemon, mib)
    daemon.hf("vm", "resume", name)
    wire = daemon.wire()
    saved = daemon.volumes / "g/state" / f"{name}.saved"
    arguments = [re.sub(r"(mem-path=\S*share=on)", r"\1,prealloc=on", text) for text in command_line(daemon.guest_pid(name))]
    bare = Bare(bench, arguments)
    reads = []

    def ours():
        wire.ask(VM_SAVE, name)
        subprocess.run(["sync"], check=True)
        reads.append(direct_read_ms(saved))
        return timed(wire.ask, VM_START, name) * 1000

    ours_ms, empty_ms = bench.in_turn(bench.samples(5), ours, bare.sample)
    read = sorted(reads)[len(reads) // 2]
    bench.result(f"restore-start-{mib}", "ms", ours_ms, empty_ms, "start of an empty QEMU, memory preallocated",
                 f"smaller is better; limit: ratio 2, or 1.3 x what reading and summing the file takes: reading alone took {read:.0f} ms")
    daemon.hf("vm", "stop", name, "--force")
    daemon.hf("vm", "delete", name)


def run(names, bench):
    daemon = Hypervisord(bench)
    daemon.hf("group", "create", "g")
    daemon.hf("vm", "create", "warm", "--group", "g", "--memory", "16")
    daemon.hf("group", "start", "g")
    if "save-throughput" in names:
        save_throughput(bench, daemon)
    for mib in SIZES:
        if f"restore-start-{mib}" in names:
            say(f"restore of {mib} MiB")
            restore_start(bench, daemon, mib)
