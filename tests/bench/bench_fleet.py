# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon-memory and list-200: 200 guests of 16 MiB, paused, under hypervisord and then under libvirtd."""
import concurrent.futures
import subprocess
import time

from benchlib import say
from daemon import Hypervisord, memory_kib
from peer import USER, Libvirtd

NAMES = ("daemon-memory", "list-200")
GUESTS = 200
MEMORY_MIB = 16


def fill_ours(daemon):
    daemon.hf("group", "create", "g")
    for i in range(GUESTS):
        daemon.hf("vm", "create", f"v{i}", "--group", "g", "--memory", str(MEMORY_MIB))
    daemon.hf("group", "start", "g")
    for i in range(GUESTS):
        daemon.hf("vm", "pause", f"v{i}")
    states = [vm["state"] for vm in daemon.hf("vm", "list")]
    assert states == ["paused"] * GUESTS, states


def timed(arguments, **options):
    begin = time.monotonic()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, **options)
    return (time.monotonic() - begin) * 1000


def run(names, bench):
    daemon = Hypervisord(bench)
    empty = memory_kib(daemon.pid)
    fill_ours(daemon)
    full, ours_private = memory_kib(daemon.pid), memory_kib(daemon.pid, "Pss")
    say(f"hypervisord: {empty} KiB empty, {full} KiB with {GUESTS} guests")
    peer = Libvirtd(bench)
    peer_empty = memory_kib(peer.pid)
    peer.create("v0", MEMORY_MIB * 1024)  # it looks at QEMU first
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: peer.create(f"v{i}", MEMORY_MIB * 1024), range(1, GUESTS)))
    peer_full = memory_kib(peer.pid)
    say(f"libvirtd: {peer_empty} KiB empty, {peer_full} KiB with {GUESTS} guests")
    if "daemon-memory" in names:
        bench.result("daemon-memory", "KiB per VM", [full / GUESTS], [peer_full / GUESTS], "libvirtd",
                     f"smaller is better; limit: 64. The whole daemon's RSS by {GUESTS}; it grew by {(full - empty) / GUESTS:.1f} KiB a VM, libvirtd "
                     f"by {(peer_full - peer_empty) / GUESTS:.1f}; PSS of ours {ours_private / GUESTS:.1f}")
    if "list-200" in names:
        ours = lambda: timed([daemon.command, "--socket", daemon.socket, "--json", "vm", "list"])
        theirs = lambda: timed(["virsh", "--quiet", "list", "--all"], env=peer.environment, user=USER, group=USER, cwd=peer.directory)
        bench.result("list-200", "ms", *bench.in_turn(bench.samples(21), ours, theirs), "virsh list", "smaller is better; limit: 20 ms")
