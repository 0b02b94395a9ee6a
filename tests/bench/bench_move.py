# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves between two hypervisords on this machine, with TLS and file disks, of a guest that has touched 70 % of its memory with what cannot be compressed
and writes to 4 MiB/s of it. live-pause-*: the pause of a live move, against libvirt's between two libvirtds. quick-limit-*: the pause of a quick move,
against its bytes over a raw socket of the same moment. quick-peer-*: against libvirt's save, copy, restore. While one side is measured the other one's
guest stands still, so that each has the processors for itself. evacuate-20: 20 VMs of 64 MiB over a link of 1 Gbit/s (two network namespaces), against
their bytes over a raw socket on that link; evacuate-20-loopback: the same over the loopback, which is as fast as the processors are."""
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

from benchlib import BUILD, SOURCE, Skip, load_note, wait_until
from daemon import test_guest
from peer import Libvirtd

SIZES = (128, 512, 2048)
NAMES = tuple(f"{kind}-{size}" for kind in ("live-pause", "quick-limit") for size in SIZES) + ("quick-peer-512", "quick-peer-2048", "evacuate-20", "evacuate-20-loopback")
VOLUME = 64 << 20
TOUCHED = 0.7
KERNEL_MIB = 46  # touched by the guest's kernel, its root file system and what it reads
FILL_S = 120
ASK_S = 120
LINK_MBIT = 1000


def held_mib(memory_mib):
    """What the program in the guest holds, so that TOUCHED of the memory is in use."""
    return max(int(memory_mib * TOUCHED) - KERNEL_MIB, 4)


def filled(console):
    if "Out of memory" in console:
        raise RuntimeError("the guest has too little memory for what it is to hold")
    return "MEM filled" in console


def by_step(events):
    """The median of each step of the pause, for a figure's note."""
    names = list(dict.fromkeys(step["name"] for event in events for step in event["steps"]))
    median = {name: statistics.median(next((step["ms"] for step in event["steps"] if step["name"] == name), 0) for event in events) for name in names}
    return ", ".join(f"{name} {ms:.1f}" for name, ms in median.items())


class Loopback:
    """Where two nodes are that share this machine's network."""

    def __init__(self):
        net = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250}"
        self.address = {"a1": f"{net}.1", "b1": f"{net}.2"}

    def at(self, node):
        return []


class Link:
    """Two network namespaces with a link of LINK_MBIT between them."""

    def __init__(self, bench):
        self.address, self.names = {"a1": "192.0.2.1", "b1": "192.0.2.2"}, {node: f"hb{os.getpid()}{node}" for node in ("a1", "b1")}
        for name in self.names.values():
            self.ip("netns", "add", name)
            bench.on_end(self.ip, "netns", "delete", name)
        self.ip("link", "add", "name", "wire", "netns", self.names["a1"], "type", "veth", "peer", "name", "wire", "netns", self.names["b1"])
        for node, name in self.names.items():
            self.ip("-n", name, "address", "add", f"{self.address[node]}/30", "dev", "wire")
            for device in ("lo", "wire"):
                self.ip("-n", name, "link", "set", device, "up")
            subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", "wire", "root", "tbf", "rate", f"{LINK_MBIT}mbit", "burst", "1mb", "latency", "50ms"],
                           check=True)

    def ip(self, *arguments):
        subprocess.run(["ip", *arguments], check=True)

    def at(self, node):
        """What a command of NODE begins with."""
        return ["ip", "netns", "exec", self.names[node]]


class Pair:
    """Two hypervisords, as nodes a1 and b1, and one group with COUNT VMs. LINUX: the guest that writes all the time; else one that rests when its memory
    is filled, for a size that Linux does not start in. SETTINGS: more lines of a node's configuration, by its name. HELD: MiB that the program in the guest
    holds; 0: TOUCHED of the memory."""

    def __init__(self, bench, memory_mib, count=1, linux=True, network=None, settings=None, held=0):
        self.tool, program = BUILD / "tests/tools/rpc-call", BUILD / "hypervisord"
        for path in (self.tool, BUILD / "tests/tools/make-pki"):
            if not path.exists():
                raise Skip(f"{path} is not built: make check TESTS= builds it")
        self.directory, self.runs = bench.directory(), bench.directory("/dev/shm")  # a tmpfs, as /run is
        (self.directory / "volumes").mkdir()
        subprocess.run([BUILD / "tests/tools/make-pki", self.directory / "pki", "a1", "b1"], check=True)
        self.network = network or Loopback()
        self.address = self.network.address
        system = self.linux(held or held_mib(memory_mib)) if linux else {}
        names = [f"vm{i}" for i in range(count)]
        self.spec = {"group": {"name": "web", "storage": "file", "preferred": ["a1", "b1"], "possible": ["a1", "b1"],
                               "directory": str(self.directory / "volumes"),
                               "volumes": [{"index": 0, "minor": 0, "name": "state", "size_bytes": 1 << 28}] +
                               [{"index": i + 1, "minor": i + 1, "name": f"{name}.disk0", "size_bytes": VOLUME} for i, name in enumerate(names)]},
                     "vms": [{"name": name, "group": "web", "cpus": 1, "memory_mib": memory_mib, **system, "target": "running",
                              "restart_limit": 1, "restart_period_s": 900, "disk_ports": 4, "nic_ports": 2,  # as vm create gives it
                              "uuid": f"6f2d2c0e-5a2f-4f0c-9d57-2a6d2a1c{i:04x}",
                              "disks": [{"name": "disk0", "volume": i + 1, "size_bytes": VOLUME}],
                              "serials": [{"path": str(self.directory / f"acks.{name}")}]} for i, name in enumerate(names)], "epoch": 1}
        self.names, self.daemons = names, []
        bench.on_end(self.end)
        for number, node in enumerate(self.address):
            home = self.directory / node
            home.mkdir()
            (home / "conf").write_text(f"[node]\nname={node}\naddress={self.address[node]}\n[hypervisor]\naccel=tcg\nmemory-reserve-mib=64\n"
                                       f"uid-base={2100000 + 1000 * number}\nserial-directory={self.directory}\n[storage]\ndirectory={self.directory}/volumes\n{(settings or {}).get(node, '')}")
            self.daemons.append(subprocess.Popen(
                [*self.network.at(node), program, "--config", home / "conf", "--run-dir", self.runs / node, "--state-dir", home / "state", "--pki", self.directory / "pki" / node,
                 "--log", home / "log"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            wait_until(f"hypervisord of {node}", lambda: self.ask(node, {"ping": {}}, check=False) is not None)
            self.ask(node, {"replica_apply": {"spec": self.spec, "node": node}})
        self.here, self.there = "a1", "b1"
        if not linux:
            self.write_filler(memory_mib, count)
        self.ask("a1", {"host_group_start": {"spec": self.spec, "generation": int(time.time() * 1000), "timeout_ms": 60000, "node": "a1"}})
        wait_until("the guests to have filled their memory", lambda: all(filled(self.console(name)) for name in names), FILL_S)

    def linux(self, held):
        """The part of a definition that starts it."""
        kernel, initrd = test_guest()
        for path in (kernel, initrd):
            shutil.copy(path, self.directory / path.name)
            (self.directory / path.name).chmod(0o644)
        return {"kernel": str(self.directory / kernel.name), "initrd": str(self.directory / initrd.name),
                "append": f"console=ttyS0 quiet panic=-1 rate=5 memory={held},4"}

    def write_filler(self, memory_mib, count):
        """Puts a system that only fills memory on each disk."""
        made, linked = self.directory / "filler.o", self.directory / "filler"
        subprocess.run(["as", "--32", "--defsym", f"FILL={int(memory_mib * TOUCHED)}", SOURCE / "tests/guest/filler.S", "-o", made], check=True)
        subprocess.run(["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", made, "-o", linked], check=True, stderr=subprocess.DEVNULL)
        for i in range(count):
            with open(self.directory / f"volumes/web/{i + 1}.raw", "r+b") as disk:
                disk.write(linked.read_bytes())

    def console(self, name):
        return "".join(path.read_text(errors="replace") for path in self.runs.glob(f"*/vms/{name}/console.log"))

    def ask(self, node, request, check=True):
        done = subprocess.run([self.tool, self.runs / node / "hypervisord.sock", str(ASK_S * 1000), json.dumps(request)], capture_output=True, text=True,
                              timeout=ASK_S + 10)
        if done.returncode:
            if check:
                raise RuntimeError(f"{node}: {done.stdout}{done.stderr}")
            return None
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def move(self, kind):
        """The event of the move."""
        to = {"spec": self.spec, "target": self.there, "address": self.address[self.there], "timeout_ms": 60000}
        self.ask(self.here, {"move_prepare": {**to, "kind": kind}})
        self.ask(self.here, {"move_commit": {**to, "group": "web"}})
        events = (self.directory / self.here / "state/host-events.jsonl").read_text().splitlines()
        self.here, self.there = self.there, self.here
        return next(event for event in map(json.loads, reversed(events)) if event["kind"] == "move")

    def stand_still(self, still):
        self.ask(self.here, {"vm_pause" if still else "vm_resume": {"name": self.names[0]}})

    def end(self):
        for daemon in self.daemons:
            daemon.kill()
            daemon.wait()
        for record in self.runs.glob("*/vms/*/guest.json"):
            pid = json.loads(record.read_text())["pid"]
            try:
                if pid > 1 and "qemu" in pathlib.Path(f"/proc/{pid}/comm").read_text():
                    os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass


def moved_mib(event):
    return float(re.search(r"([\d.]+) MiB of memory", event["text"])[1])


RAW = """import socket, sys, time
mib, block = int(sys.argv[3]), bytes(1 << 20)
if sys.argv[1] == "take":
    with socket.create_server((sys.argv[2], 0)) as server:
        print(server.getsockname()[1], flush=True)
        client, _ = server.accept()
        left, room = mib << 20, memoryview(bytearray(1 << 20))
        while left > 0:
            got = client.recv_into(room)
            left = left - got if got else sys.exit("cut off")
        client.sendall(b".")
else:
    begin = time.monotonic()
    with socket.create_connection((sys.argv[2], int(sys.argv[4]))) as server:
        for _ in range(mib):
            server.sendall(block)
        server.recv(1)
    print(mib / (time.monotonic() - begin))
"""


def raw_mib_s(network, mib=512):
    """One TCP connection between the two nodes, two processes that do nothing else."""
    program = [sys.executable, "-c", RAW]
    with subprocess.Popen([*network.at("b1"), *program, "take", network.address["b1"], str(mib)], stdout=subprocess.PIPE, text=True) as taker:
        port = taker.stdout.readline().strip()
        giver = subprocess.run([*network.at("a1"), *program, "give", network.address["b1"], str(mib), port], check=True, capture_output=True, text=True)
    return float(giver.stdout)


class Peers:
    """Two libvirtds and one domain like ours."""

    def __init__(self, bench, memory_mib):
        self.nodes = [Libvirtd(bench), Libvirtd(bench)]
        self.directory = bench.directory()
        kernel, initrd = test_guest()
        for path in (kernel, initrd):
            shutil.copy(path, self.directory / path.name)
            (self.directory / path.name).chmod(0o644)
        self.console = self.directory / "console.log"
        self.console.touch(0o666)
        self.console.chmod(0o666)
        disk = self.directory / "disk"
        with open(disk, "wb") as file:
            file.truncate(VOLUME)
        disk.chmod(0o666)
        extra = (f"<kernel>{self.directory}/{kernel.name}</kernel><initrd>{self.directory}/{initrd.name}</initrd>"
                 f"<cmdline>console=ttyS0 quiet panic=-1 rate=5 memory={held_mib(memory_mib)},4</cmdline>")
        devices = (f"<disk type='file'><driver name='qemu' type='raw' cache='none'/><source file='{disk}'/><target dev='vda' bus='virtio'/><shareable/></disk>"
                   f"<serial type='file'><source path='{self.console}' append='on'/><target port='0'/></serial>"
                   f"<serial type='file'><source path='{self.directory}/acks' append='on'/><target port='1'/></serial>")
        (self.directory / "acks").touch()
        (self.directory / "acks").chmod(0o666)
        self.name = "peer"
        # RAM as ours under TCG: pre-copy corrupts guests at round sizes.
        self.nodes[0].create(self.name, memory_mib * 1024 + 8, extra, devices, paused=False)
        wait_until("the peer's guest to have filled its memory", lambda: filled(self.console.read_text(errors="replace")), FILL_S)

    def stand_still(self, still):
        self.nodes[0].run("suspend" if still else "resume", self.name)

    def live(self):
        """Pause of a live migration in ms."""
        source, target = self.nodes
        target.domains.add(self.name)
        port = 49152 + os.getpid() % 1000
        source.run("migrate", "--live", "--unsafe", self.name, f"qemu+unix:///session?socket={target.socket}", f"tcp://127.0.0.1:{port}")
        self.nodes.reverse()
        info = target.run("domjobinfo", self.name, "--completed").stdout
        return float(re.search(r"Total downtime:\s+([\d.]+)", info)[1])

    def quick(self):
        """Save, copy, restore, in ms."""
        source, target = self.nodes
        saved, copied = source.directory / "saved", target.directory / "saved"
        begin = time.monotonic()
        source.run("save", self.name, saved)
        shutil.copy(saved, copied)
        os.chmod(copied, 0o666)
        target.run("restore", copied)
        target.domains.add(self.name)
        self.nodes.reverse()
        saved.unlink()
        copied.unlink()
        return (time.monotonic() - begin) * 1000


def sizes_of(names, kind):
    return [size for size in SIZES if f"{kind}-{size}" in names]


def peers_of(bench, size):
    try:
        return Peers(bench, size)
    except (Skip, RuntimeError) as why:
        return why


def alone(function, *others):
    """FUNCTION, while the guests of OTHERS stand still."""
    def run():
        for other in others:
            other.stand_still(True)
        try:
            return function()
        finally:
            for other in others:
                other.stand_still(False)
    return run


def run_size(names, bench, size):
    pair = Pair(bench, size)
    wants_peer = f"live-pause-{size}" in names or f"quick-peer-{size}" in names
    peers = peers_of(bench, size) if wants_peer else None
    good = [peers] if isinstance(peers, Peers) else []
    why = "" if good or not wants_peer else f"no reference: {peers}"
    count = bench.samples(5)
    if f"live-pause-{size}" in names:
        events = []

        def live():
            events.append(pair.move("live"))
            return events[-1]["pause_ms"]
        ours, *reference = bench.in_turn(count, alone(live, *good), *(alone(peer.live, pair) for peer in good))
        note = f"smaller is better; {min(ours):.0f} to {max(ours):.0f}; {by_step(events)}; {load_note()}"
        bench.result(f"live-pause-{size}", "ms", ours, reference[0] if reference else None, "virsh migrate --live", "; ".join(filter(None, (why, note))))
    if f"quick-limit-{size}" in names:
        limits, events = [], []

        def quick():
            events.append(pair.move("quick"))
            limits.append(moved_mib(events[-1]) / raw_mib_s(pair.network) * 1000)
            return events[-1]["pause_ms"]
        ours, = bench.in_turn(count, alone(quick, *good))
        bench.result(f"quick-limit-{size}", "ms", ours, limits, "bytes over a raw socket",
                     f"smaller is better; {by_step(events)}; {load_note()}")
    if f"quick-peer-{size}" in names:
        functions = [alone(lambda: pair.move("quick")["pause_ms"], *good), *(alone(peer.quick, pair) for peer in good)]
        ours, *reference = bench.in_turn(min(count, 3), *functions)
        bench.result(f"quick-peer-{size}", "ms", ours, reference[0] if reference else None, "virsh save + copy + restore",
                     f"{why or 'smaller is better'}; {load_note()}")
    bench.clean_up()


def evacuate(name, bench, network):
    pair = Pair(bench, 64, 20, linux=False, network=network)
    limits, events = [], []

    def sample():
        begin = time.monotonic()
        events.append(pair.move("live"))
        took = (time.monotonic() - begin) * 1000
        limits.append(moved_mib(events[-1]) / raw_mib_s(network) * 1000)
        return took
    taken = [sample() for _ in range(bench.samples(3))]
    bench.result(name, "ms", taken, limits, "bytes over a raw socket",
                 f"smaller is better; preparation included; {moved_mib(events[-1]):.0f} MiB; {load_note()}")
    bench.clean_up()


def run(names, bench):
    for size in SIZES:
        if any(name.endswith(f"-{size}") for name in names):
            run_size(names, bench, size)
    if "evacuate-20" in names:
        evacuate("evacuate-20", bench, Link(bench))
    if "evacuate-20-loopback" in names:
        evacuate("evacuate-20-loopback", bench, Loopback())
