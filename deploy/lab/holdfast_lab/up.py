# SPDX-License-Identifier: GPL-3.0-or-later
"""`lab up` and `lab down`: makes a lab's files, starts labd and the nodes, runs the cluster's set-up; takes all of it away again."""
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

from . import execute, layout
from .control import Control
from .errors import LabError

STATE_MIB = 256
LABD_START_S, LABD_END_S = 10, 30


class Progress:
    """Lines with the time since `lab up` began, also from the programs that it runs."""
    def __init__(self):
        self.begin = float(os.environ.setdefault("HOLDFAST_LAB_BEGIN", str(time.monotonic())))

    def say(self, text):
        print(f"[{time.monotonic() - self.begin:5.1f} s] {text}", file=sys.stderr, flush=True)


def is_up(paths):
    try:
        with Control(paths):
            return True
    except LabError:
        return False


def check_tools(paths):
    for name in ("labd", "nodeinit", "systemctl"):
        if not os.access(paths.binary(name), os.X_OK):
            raise LabError(f"{paths.binary(name)} is missing: build first (make), or set HOLDFAST_BUILD")
    for name in ("linux.uml", "mke2fs", "busybox"):
        if not shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise LabError(f"{name} is missing: install the packages listed in deploy/packages")


def make_runtime(paths):
    """In a directory that others write to: it must be new, or ours alone."""
    remove_runtime(paths)
    os.mkdir(paths.runtime, 0o700)
    os.mkdir(os.path.join(paths.runtime, "umid"), 0o700)


def remove_runtime(paths):
    try:
        about = os.lstat(paths.runtime)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise LabError(f"{paths.runtime} is not ours: remove it")
    shutil.rmtree(paths.runtime)


def write(path, text, mode=0o644):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)


def make_node(paths, node, nodes, disk_mib):
    directory = paths.node(node.name)
    os.makedirs(os.path.join(directory, "spool"))
    os.makedirs(os.path.join(directory, "bin"))
    shutil.copy(paths.binary("systemctl"), os.path.join(directory, "bin"))
    shutil.copy(os.path.join(paths.program, "node/setup"), os.path.join(directory, "bin"))
    stage = paths.stage if os.path.isdir(paths.stage) else ""
    write(os.path.join(directory, "node.conf"), f"[node]\nstage={stage}\nbuild={paths.build}\n")
    write(os.path.join(directory, "node.env"), f"NAME={node.name}\nID={node.id}\nROLE={node.role}\n")
    write(os.path.join(directory, "hosts"), layout.hosts_file(nodes))
    for port in range(layout.SERIAL_PORTS):
        write(os.path.join(directory, f"serial{port}.log"), "")
    with open(os.path.join(directory, "disk.img"), "wb") as file:
        file.truncate((disk_mib if node.role == "data" else 1) << 20)
    image = os.path.join(directory, "state.img")
    with open(image, "wb") as file:
        file.truncate(STATE_MIB << 20)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-E", "nodiscard,lazy_itable_init=1", image], check=True,
                   env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"})


def make_files(paths, nodes, disk_mib):
    os.makedirs(os.path.join(paths.lab, "nodes"))
    key = secrets.token_hex(32)
    write(paths.key, key + "\n", 0o600)
    for node in nodes:
        make_node(paths, node, nodes, disk_mib)
    config = {"runtime": paths.runtime, "key": key,
              "nodes": [{"name": node.name, "site": node.site, "id": node.id, "role": node.role,
                         "data_address": node.data_address, "mgmt_address": node.mgmt_address,
                         "bmc_address": node.bmc_address, "directory": paths.node(node.name),
                         "argv": layout.kernel_command(node, paths)} for node in nodes]}
    write(paths.config, json.dumps(config, indent=1) + "\n", 0o600)


def memory_directory(nodes):
    """UML keeps a node's memory in a file under TMPDIR: memory is faster than a disk, where there is enough of it."""
    shm = os.statvfs("/dev/shm")
    needed = sum(node.memory_mib for node in nodes) << 20
    return "/dev/shm" if shm.f_bavail * shm.f_frsize > needed * 1.1 else "/tmp"


def start_labd(paths, nodes):
    read_end, write_end = os.pipe()
    with open(paths.log, "ab") as log:
        process = subprocess.Popen([paths.binary("labd"), paths.config, str(write_end)], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, pass_fds=[write_end], start_new_session=True, cwd="/",
                                   env={**os.environ, "TMPDIR": memory_directory(nodes)})
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        if pipe.read(1) != b"\n":
            process.wait(LABD_START_S)
            with open(paths.log, encoding="utf-8", errors="replace") as log:
                raise LabError(f"labd did not start: {log.read().strip().splitlines()[-1:]}")


def boot_all(paths, nodes, progress):
    with Control(paths) as control:
        for node in nodes:
            control.ask("boot", node.name)
        for node in nodes:
            control.ask("wait", node.name)
            progress.say(f"{node.name} is up ({node.data_address})")


def start_witness(paths, nodes):
    for node in nodes:
        if node.role != "witness":
            continue
        status, _, err = execute.capture(paths, node.name, ["systemctl", "enable", "--now", "corosync-qnetd"])
        if status != 0:
            raise LabError(f"corosync-qnetd did not start on {node.name}: {err.strip()}")


def up(paths, args):
    progress = Progress()
    nodes = layout.make(args.sites, args.nodes, args.witness, args.mem)
    check_tools(paths)
    if not args.bare and not os.path.isdir(paths.stage):
        raise LabError(f"nothing is installed in {paths.stage}: `make install DESTDIR={paths.stage}`, or use --bare")
    if is_up(paths):
        raise LabError(f"a lab is up already in {paths.lab}: `lab down` first, or set LAB_DIR")
    if os.path.exists(paths.config):
        remove_files(paths)
    elif os.path.isdir(paths.lab) and os.listdir(paths.lab):
        raise LabError(f"{paths.lab} has other files in it: set LAB_DIR to a new or empty directory")
    make_runtime(paths)
    try:
        make_files(paths, nodes, args.disk_size)
        start_labd(paths, nodes)
        progress.say(f"{len(nodes)} nodes are booting")
        boot_all(paths, nodes, progress)
        start_witness(paths, nodes)
    except BaseException:
        if not args.keep:
            down(paths)
        raise
    if args.bare:
        return
    setup = subprocess.run([os.path.join(paths.program, "cluster-setup")], check=False,
                           env={**os.environ, "LAB_DIR": paths.lab, "HOLDFAST_BUILD": paths.build})
    if setup.returncode != 0:
        raise LabError("the cluster could not be set up; the lab stays up for a look, `lab down` ends it")
    progress.say("the cluster is up")


def end_labd(paths):
    """Asks it to end all nodes and itself. One that does not answer is killed: its minders take the nodes down then."""
    try:
        control = Control(paths, timeout_s=LABD_END_S)
    except LabError:
        return
    with control:
        credentials = control.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pidfd = os.pidfd_open(struct.unpack("3i", credentials)[0])
        try:
            control.send("down")
            while control.read():
                pass
        except TimeoutError:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except ConnectionResetError:
            pass
        finally:
            os.close(pidfd)


def remove_files(paths):
    for path in (paths.config, paths.key, paths.log):
        if os.path.exists(path):
            os.remove(path)
    shutil.rmtree(os.path.join(paths.lab, "nodes"), ignore_errors=True)
    try:
        os.rmdir(paths.lab)
    except OSError:
        pass        # the user keeps other files there, or it is not there


def down(paths):
    end_labd(paths)
    remove_runtime(paths)
    remove_files(paths)
