# SPDX-License-Identifier: GPL-3.0-or-later
"""tunnel-tls: what the tunnel of moves carries over one connection of this machine, with TLS and without. No QEMU, no disk: four threads (one that writes as
QEMU does, the two tunnels' own, one that reads) and the copying between them. tunnel-packs: the same with TLS, made ready to pack what it carries, which does not shrink, against without."""
import subprocess

from benchlib import BUILD, Skip, load_note

NAMES = ("tunnel-tls", "tunnel-packs")
MIB = 1024


def run(names, bench):
    tls, plain, pki = BUILD / "tests/bench/tunnel-rate-tls", BUILD / "tests/bench/tunnel-rate-plain", BUILD / "tests/tools/make-pki"
    for program in (tls, plain, pki):
        if not program.exists():
            raise Skip(f"{program} is not built: make bench builds it")
    directory = bench.directory() / "pki"
    subprocess.run([pki, directory, "a1", "b1"], check=True)

    def rate(*arguments):
        return float(subprocess.run(list(map(str, arguments)), check=True, capture_output=True, text=True).stdout)
    if "tunnel-packs" in names:
        ours, reference = bench.in_turn(bench.samples(9), lambda: rate(tls, "--packs", MIB, directory / "a1", directory / "b1"),
                                        lambda: rate(tls, MIB, directory / "a1", directory / "b1"))
        bench.result("tunnel-packs", "MiB/s", ours, reference, "the same tunnel without", f"larger is better, at least 0.98; {load_note()}")
    if "tunnel-tls" not in names:
        return
    ours, reference = bench.in_turn(bench.samples(9), lambda: rate(tls, MIB, directory / "a1", directory / "b1"), lambda: rate(plain, MIB))
    bench.result("tunnel-tls", "MiB/s", ours, reference, "the same tunnel, plain", f"larger is better, at least 0.7; {load_note()}")
