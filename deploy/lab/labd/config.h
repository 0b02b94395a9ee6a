// SPDX-License-Identifier: GPL-3.0-or-later
// What labd is told about its lab: a JSON file that the `lab` command writes. Read once, never changed afterwards.
#ifndef LABD_CONFIG_H
#define LABD_CONFIG_H

#include <stdint.h>
#include "common/error.h"

#define LAB_NODES_MAX 32
#define LAB_SERIAL_PORTS 4

enum lab_net { NET_DATA, NET_MGMT, NET_COUNT };

// File descriptors of a UML process, which its command line refers to.
enum { NODE_FD_CHANNEL = 3, NODE_FD_SERIAL = 4 };

struct node_config {
	char *name;
	char *site;
	char *umid;		// UML's own directory for this node; removed before each start
	char *directory;	// console.log and serialN.log go here
	char **argv;		// the UML command line, NULL-terminated
	unsigned id;		// last byte of its data and mgmt address
};

struct lab_config {
	char *runtime;		// short directory of the sockets and of UML's own files
	char *key;		// shared with the fence agents
	struct node_config nodes[LAB_NODES_MAX];
	unsigned count;
};

int lab_config_read(struct lab_config *config, const char *path, struct error *err) MUST_CHECK;
void lab_config_done(struct lab_config *config);
// Index of the node, or -1.
int lab_config_find(const struct lab_config *config, const char *name);
const char *lab_net_name(enum lab_net net);

#endif
