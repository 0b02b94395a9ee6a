# SPDX-License-Identifier: GPL-3.0-or-later
"""What packing gives: the pause of a quick move of a Linux that holds its page cache and little else, with compression=auto against compression=off, in turn: over a
link of 1 Gbit/s (quick-packs-link), where it is to be shorter, and over the loopback (quick-packs-loopback), where it is not to be longer; nor with a guest
that holds what cannot be compressed (quick-packs-random)."""
import re
import statistics

from bench_move import Link, Pair
from benchlib import load_note

NAMES = ("quick-packs-link", "quick-packs-loopback", "quick-packs-random")


def on_wire(events):
    return statistics.median(float(re.search(r"([\d.]+) MiB on the wire", event["text"])[1]) for event in events)


def compare(name, bench, network, note, memory_mib=128, held=4):
    pair = Pair(bench, memory_mib, network=network, settings={"b1": "[migration]\ncompression=off\n"}, held=held)
    packed, plain = [], []

    def move(events):
        events.append(pair.move("quick"))
        return events[-1]["pause_ms"]
    ours, reference = bench.in_turn(bench.samples(9), lambda: move(packed), lambda: move(plain))  # from a1, then from b1
    bench.result(name, "ms", ours, reference, "compression=off",
                 f"{note}; {on_wire(packed):.1f} MiB on the wire, {on_wire(plain):.1f} without; {load_note()}")
    bench.clean_up()


def run(names, bench):
    if "quick-packs-link" in names:
        compare("quick-packs-link", bench, Link(bench), "smaller is better")
    if "quick-packs-loopback" in names:
        compare("quick-packs-loopback", bench, None, "smaller is better, at most 1.02")
    if "quick-packs-random" in names:
        compare("quick-packs-random", bench, None, "smaller is better, at most 1.02", 512, 0)
