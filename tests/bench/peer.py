# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt as the peer: a private libvirtd (qemu:///session of a user that owns nothing else), its domains, virsh."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess

from benchlib import Skip, need_packages, wait_until

RUN_S = 180
USER = 65534  # nobody: libvirt wants a user that has a name


class Libvirtd:
    def __init__(self, bench):
        need_packages()
        if not shutil.which("libvirtd") or not shutil.which("virsh"):
            raise Skip("libvirt is not installed (deploy/packages-bench)")
        self.directory = bench.directory()
        os.chown(self.directory, USER, USER)
        paths = {name: self.directory / name for name in ("run", "config", "cache", "data")}
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "LC_ALL": "C", "LIBVIRT_DEFAULT_URI": "qemu:///session",
                            "LIBVIRT_AUTOSTART": "0", "XDG_RUNTIME_DIR": str(paths["run"]), "XDG_CONFIG_HOME": str(paths["config"]),
                            "XDG_CACHE_HOME": str(paths["cache"]), "XDG_DATA_HOME": str(paths["data"])}
        for path in paths.values():
            path.mkdir(mode=0o700)
            os.chown(path, USER, USER)
        self.log = open(self.directory / "log", "w")
        self.process = subprocess.Popen(["libvirtd", "--pid-file", self.directory / "pid"], env=self.environment, user=USER, group=USER,
                                        extra_groups=[], cwd=self.directory, stdout=self.log, stderr=self.log)
        bench.on_end(self.end)
        self.domains = set()
        self.socket = paths["run"] / "libvirt/libvirt-sock"
        wait_until("libvirtd to listen", self.socket.exists)
        wait_until("libvirtd to answer", lambda: self.run("list", "--all", check=False).returncode == 0)

    @property
    def pid(self):
        return self.process.pid

    def run(self, *arguments, check=True):
        done = subprocess.run(["virsh", "--quiet", *map(str, arguments)], env=self.environment, user=USER, group=USER, extra_groups=[],
                              cwd=self.directory, capture_output=True, text=True, timeout=RUN_S)
        if check and done.returncode:
            raise RuntimeError(f"virsh {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done

    def create(self, name, memory_kib, extra="", devices="", paused=True):
        """A domain of the same machine as ours."""
        xml = self.directory / f"{name}.xml"
        xml.write_text(f"""<domain type='qemu'><name>{name}</name><memory unit='KiB'>{memory_kib}</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type>{extra}</os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/><memballoon model='none'/>
<console type='pty'/>{devices}</devices></domain>""")
        xml.chmod(0o644)
        self.run("create", xml, *(["--paused"] if paused else []))
        self.domains.add(name)

    def destroy(self, name):
        self.run("destroy", name, check=False)
        self.domains.discard(name)

    def guest_pid(self, name):
        return int((self.directory / "run/libvirt/qemu/run" / f"{name}.pid").read_text())

    def end(self):
        with concurrent.futures.ThreadPoolExecutor(6) as pool:  # each takes about a second
            list(pool.map(self.destroy, list(self.domains)))
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        for pid in pathlib.Path(self.directory).glob("run/libvirt/**/virtlogd.pid"):  # what libvirtd started for itself
            os.kill(int(pid.read_text()), 15)
