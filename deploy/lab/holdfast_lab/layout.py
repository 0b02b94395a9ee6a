# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in a lab: names, sites, addresses, and the command line of each node's kernel. Decides, does nothing."""
import string
from dataclasses import dataclass

from .errors import USAGE, LabError

WITNESS_SITE = "witness"
SITES_MAX, NODES_MAX = 8, 9     # an id is 10 * site + number, below 100; 32 nodes in all
SERIAL_PORTS = 4


@dataclass
class Node:
    name: str
    site: str
    id: int             # last byte of its addresses
    memory_mib: int
    role: str           # data | witness

    @property
    def data_address(self):
        return f"10.0.1.{self.id}"

    @property
    def mgmt_address(self):
        return f"10.0.2.{self.id}"

    @property
    def bmc_address(self):
        return f"10.0.2.{100 + self.id}"


def make(sites, nodes, witness, memory_mib, witness_memory_mib=192):
    if not 1 <= sites <= SITES_MAX or not 1 <= nodes <= NODES_MAX or sites * nodes > 31:
        raise LabError(f"a lab has 1 to {SITES_MAX} sites of 1 to {NODES_MAX} nodes, 31 in all", USAGE)
    made = [Node(f"{site}{number}", site, 10 * (index + 1) + number, memory_mib, "data")
            for index, site in enumerate(string.ascii_lowercase[:sites]) for number in range(1, nodes + 1)]
    if witness == "qnetd":
        made.append(Node("w", WITNESS_SITE, 10 * (max(sites, 2) + 1) + 1, witness_memory_mib, "witness"))
    return made


def hosts_file(nodes):
    lines = ["127.0.0.1 localhost"]
    for node in nodes:
        lines.append(f"{node.data_address} {node.name}")
        lines.append(f"{node.mgmt_address} {node.name}-mgmt")
        lines.append(f"{node.bmc_address} {node.name}-bmc")
    return "\n".join(lines) + "\n"


def kernel_command(node, paths):
    """The descriptors are those of labd/config.h: 3 is the command channel, 4 and up are the serial ports."""
    serial = [f"ssl{port}=null,fd:{4 + port}" for port in range(SERIAL_PORTS)]
    return ["linux.uml", f"mem={node.memory_mib}M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
            f"init={paths.binary('nodeinit')}", f"umid={node.name}", f"uml_dir={paths.runtime}/umid/",
            "con=null", "con0=null,fd:1", "con1=fd:3", "ssl=null", *serial, "quiet", "panic=1", "noreboot",
            f"ubda={paths.node(node.name, 'state.img')}", f"ubdb={paths.node(node.name, 'disk.img')}",
            f"vec0:transport=bess,dst={paths.runtime}/data.{node.name},mac=52:54:00:48:01:{node.id:02x},mtu=9000",
            f"vec1:transport=bess,dst={paths.runtime}/mgmt.{node.name},mac=52:54:00:48:02:{node.id:02x}",
            f"LAB_NODE_DIR={paths.node(node.name)}"]
