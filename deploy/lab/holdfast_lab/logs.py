# SPDX-License-Identifier: GPL-3.0-or-later
"""`lab log`: a node's console, or a daemon's log inside the node; read from the node's disk when the node does not run."""
import os
import subprocess
import sys

from . import execute
from .control import Control
from .errors import NOT_FOUND, LabError

DAEMONS = {
    "corosync": ["corosync/corosync.log", "lab/corosync.log"],
    "corosync-qdevice": ["lab/corosync-qdevice.log"],
    "corosync-qnetd": ["lab/corosync-qnetd.log"],
    "pacemaker": ["pacemaker/pacemaker.log"],
    "hypervisord": ["holdfast/hypervisord.log", "lab/holdfast-hypervisord.log"],
    "clusterd": ["holdfast/clusterd.log", "lab/holdfast-clusterd.log"],
}


def show_file(path):
    with open(path, "rb") as file:
        while data := file.read(1 << 16):
            sys.stdout.buffer.write(data)
    sys.stdout.flush()


def read_from_disk(paths, node, files):
    """The node is not running: its ext4 image can be read without mounting it."""
    for file in files:
        done = subprocess.run(["debugfs", "-R", f"cat /var/log/{file}", paths.node(node, "state.img")],
                              capture_output=True, check=False,
                              env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"})
        sys.stdout.buffer.write(done.stdout)
    sys.stdout.flush()
    return 0


def log(paths, node, daemon):
    if not os.path.isdir(paths.node(node)):
        raise LabError(f"no node '{node}' in this lab; `lab status` lists them", NOT_FOUND)
    if daemon is None:
        show_file(paths.node(node, "console.log"))
        return 0
    daemon = daemon.removeprefix("holdfast-")
    if daemon not in DAEMONS:
        raise LabError(f"no daemon '{daemon}'; there are {', '.join(sorted(DAEMONS))}", NOT_FOUND)
    with Control(paths) as control:
        up = {entry["name"]: entry["up"] and entry["state"] == "running" for entry in control.status()["nodes"]}
    if not up[node]:
        return read_from_disk(paths, node, DAEMONS[daemon])
    files = " ".join(f"/var/log/{file}" for file in DAEMONS[daemon])
    return execute.run_here(paths, node, [f"cat {files} 2>/dev/null; true"])
