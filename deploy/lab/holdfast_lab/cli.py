# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of `lab` and their options, but for `exec`, which is only listed here (see main.py)."""
import argparse
import json
import subprocess

from . import execute, logs, up
from .control import Control
from .errors import USAGE, LabError


def ask(paths, *words):
    with Control(paths) as control:
        control.ask(*words)
    return 0


def verb_up(paths, args):
    if args.kind != "uml":
        raise LabError(f"this version has only labs of kind uml, not {args.kind}", USAGE)
    up.up(paths, args)
    return 0


def verb_down(paths, args):
    up.down(paths)
    return 0


def verb_status(paths, args):
    with Control(paths) as control:
        status = control.status()
    if args.json:
        print(json.dumps(status))
        return 0
    print(f"{'NODE':8}{'SITE':10}{'STATE':10}{'PID':>8}{'UPTIME':>10}")
    for node in status["nodes"]:
        state = "booting" if node["state"] == "running" and not node["up"] else node["state"]
        print(f"{node['name']:8}{node['site']:10}{state:10}{node['pid'] or '-':>8}{node['uptime_s']:>8.0f} s")
    for link in status["links"]:
        what = "cut" if link["cut"] else f"delay {link['delay_ms']} ms, loss {link['loss_percent']} %"
        print(f"{link['net']}: {link['from']} -> {link['to']}: {what}")
    return 0


def verb_log(paths, args):
    return logs.log(paths, args.node, args.daemon)


def verb_boot(paths, args):
    with Control(paths) as control:
        control.ask("boot", args.node)
        if not args.no_wait:
            control.ask("wait", args.node)
    return 0


def verb_power(paths, args):
    return ask(paths, args.verb, args.node)


def verb_cut(paths, args):
    return ask(paths, "cut", args.a, args.b, args.net, "one" if args.one_way else "both")


def verb_delay(paths, args):
    if args.ms < 0 or not 0 <= args.loss <= 100:
        raise LabError("a delay is 0 ms or more, a loss 0 to 100 percent", USAGE)
    return ask(paths, "delay", args.a, args.b, args.net, args.ms, args.loss)


def verb_heal(paths, args):
    return ask(paths, "heal")


def verb_sync(paths, args):
    """What was installed into the stage while nodes run is not seen there: copies it into the nodes, through a fresh mount."""
    with Control(paths) as control:
        known = [node["name"] for node in control.status()["nodes"] if node["up"] and node["state"] == "running"]
    script = (f"mkdir -p /run/lab/stage && mount -t hostfs -o {paths.stage} none /run/lab/stage && "
              "cp -a --remove-destination /run/lab/stage/usr/. /usr/; status=$?; umount /run/lab/stage; exit $status")
    for node in args.node or known:
        status, _, err = execute.capture(paths, node, [script])
        if status != 0:
            raise LabError(f"{node}: {err.strip()}")
    return 0


def parser():
    top = argparse.ArgumentParser(prog="lab", description="A cluster on one machine, each node a kernel of its own.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name, run, help_text, *positional):
        added = verbs.add_parser(name, help=help_text)
        for word in positional:
            added.add_argument(word)
        added.set_defaults(run=run)
        return added

    new = verb("up", verb_up, "make a lab and start it")
    new.add_argument("--kind", default="uml", help="uml")
    new.add_argument("--nodes", type=int, default=1, metavar="N", help="data nodes per site (1)")
    new.add_argument("--sites", type=int, default=2, metavar="S", help="data sites (2)")
    new.add_argument("--witness", choices=("qnetd", "none"), default="qnetd", help="a third place that breaks ties")
    new.add_argument("--bare", action="store_true", help="no cluster on the nodes")
    new.add_argument("--mem", type=int, default=640, metavar="MIB", help="memory of a data node (640)")
    new.add_argument("--disk-size", type=int, default=1024, metavar="MIB", help="data disk of a node, sparse (1024)")
    new.add_argument("--keep", action="store_true", help="leave a lab that did not boot as it is")
    verb("down", verb_down, "end the lab; nothing of it stays")
    verb("status", verb_status, "nodes and broken links").add_argument("--json", action="store_true")
    verb("exec", None, "run a command in a node: exec NODE CMD...")
    verb("log", verb_log, "a node's console, or a daemon's log", "node").add_argument("daemon", nargs="?")
    verb("kill", verb_power, "cut a node's power; it stays dark until `boot`", "node")
    verb("boot", verb_boot, "start a node", "node").add_argument("--no-wait", action="store_true")
    verb("freeze", verb_power, "stop a node as it is", "node")
    verb("thaw", verb_power, "let a frozen node go on", "node")
    for name, run, text in (("cut", verb_cut, "cut two places from each other"), ("delay", verb_delay, "slow a link down")):
        link = verb(name, run, text, "a", "b")
        if name == "delay":
            link.add_argument("ms", type=int)
            link.add_argument("--loss", type=int, default=0, metavar="PERCENT")
        else:
            link.add_argument("--one-way", action="store_true", help="only from A to B")
        link.add_argument("--net", choices=("data", "mgmt", "all"), default="data")
    verb("heal", verb_heal, "make all links whole again")
    verb("sync", verb_sync, "copy the installed product anew into running nodes").add_argument("node", nargs="*")
    return top


def main(paths, words):
    args = parser().parse_args(words)
    try:
        return args.run(paths, args)
    except subprocess.SubprocessError as error:
        raise LabError(str(error)) from None
