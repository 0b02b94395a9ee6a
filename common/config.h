// SPDX-License-Identifier: GPL-3.0-or-later
// The node's own configuration, /etc/holdfast/holdfast.conf (GKeyFile). Written by `cluster init` and `cluster join`; a missing file means
// the defaults, which fit a stand-alone machine. All keys are optional; an unknown key or a bad value is an error that names it.
//
//   [node]        name= site= address=
//   [hypervisor]  accel=auto|kvm|tcg  qemu=/usr/bin/qemu-system-x86_64  uid-base=2000000  memory-reserve-mib=256
//                 serial-directory=/var/log/holdfast (a VM's further serial ports may be files only below it; devices may be anywhere)
//                 isolation=full|basic (basic: without namespaces, for machines that do not permit them)
//                 visible=PATH:PATH... (what QEMU may see of the machine beyond its libraries and firmware; for one of your own below /opt)
//                 core-dumps=no|yes (yes: a QEMU that crashes may leave its guest's memory in a core file)
//                 uefi-code=/usr/share/OVMF/OVMF_CODE_4M.fd  uefi-vars=/usr/share/OVMF/OVMF_VARS_4M.fd
//   [migration]   bandwidth=0 (MiB/s that all moves which leave the node share; 0: no limit)
//                 compression=auto|off|always (of the memory that moves from this node; auto: where it is faster; always: where it is shorter)
//   [network N]   bridge=br0 (a section for each network that guests' NICs can be on; N is its name, the same on each node)
//   [storage]     pool=holdfast (LVM volume group)  directory=/var/lib/holdfast/volumes
//                 image-directory=/var/lib/holdfast/images (what is imported, exported and lain over has to be below it, whoever asks)
//   [api]         group=holdfast (whose members may use the sockets)
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <sys/types.h>
#include "common/error.h"

#define CONFIG_FILE SYSCONFDIR "/holdfast/holdfast.conf"
#define CONFIG_PKI_DIRECTORY SYSCONFDIR "/holdfast/pki"
#define CONFIG_STATE_DIRECTORY LOCALSTATEDIR "/lib/holdfast"
#define CONFIG_RUN_DIRECTORY "/run/holdfast"
#define CONFIG_LOG_DIRECTORY LOCALSTATEDIR "/log/holdfast"

struct config_network {
	char *name, *bridge;
};

struct config {
	char *node, *site, *address;	// "" until the node is in a cluster; name defaults to the host's name
	char *accel, *qemu;
	uid_t uid_base;			// VM number N runs as uid and gid uid_base + N
	unsigned memory_reserve_mib;	// what the node keeps for itself
	char *serial_directory;
	char *isolation, *visible, *core_dumps;
	unsigned move_bandwidth_mib;	// what all moves that leave the node may send in a second; 0: no limit
	char *move_compression;
	unsigned moves_at_once;		// groups that leave the node, or come to it, at the same time
	char *uefi_code, *uefi_vars;	// the firmware, and the template of its variables
	char *pool, *directory, *image_directory;
	char *api_group;
	struct config_network *networks;	// what guests' NICs can be on, besides "user"
	size_t network_count;
};

int config_load(const char *path, struct config *config, struct error *err) MUST_CHECK;
int config_save(const char *path, const struct config *config, struct error *err) MUST_CHECK;
void config_done(struct config *config);

#endif
