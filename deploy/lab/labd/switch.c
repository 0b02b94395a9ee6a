// SPDX-License-Identifier: GPL-3.0-or-later
// Ports, learning and forwarding. A frame never leaves its network and never goes back to its port; every frame passes the fault
// table. Knows nothing of what is in a frame beyond its two addresses.
#include "deploy/lab/labd/switch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "common/cleanup.h"
#include "deploy/lab/labd/delay.h"

#define ADDRESS_BYTES 6
#define BATCH 32
#define LEARNED_SLOTS 1024 // a power of two
#define SEND_BUFFER_BYTES (4 << 20)

struct port {
	struct lab_switch *owner;
	enum lab_net net;
	unsigned node;
	int fd; // of the connected UML; -1: none, or this is a power switch's port
	bool is_bmc;
	struct loop_source *listener, *reader;
	int listen_fd;
	struct switch_counters counters;
};

struct learned {
	uint8_t address[ADDRESS_BYTES];
	bool used;
	unsigned port;
};

struct lab_switch {
	struct loop *loop;
	const struct lab_config *config;
	const struct faults *faults;
	struct delay_queue *delayed;
	switch_bmc_cb *bmc_input;
	void *bmc_data;
	uint64_t random;
	unsigned port_count;
	struct port ports[LAB_NODES_MAX * 3];
	struct learned learned[NET_COUNT][LEARNED_SLOTS];
	uint8_t frames[BATCH][SWITCH_FRAME_MAX];
};

static unsigned random_percent(struct lab_switch *lab_switch)
{
	uint64_t x = lab_switch->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	lab_switch->random = x;
	return (unsigned)(x >> 33) % 100;
}

static struct learned *learned_slot(struct lab_switch *lab_switch, enum lab_net net, const uint8_t *address)
{
	uint32_t hash = 2166136261u;

	for (int i = 0; i < ADDRESS_BYTES; i++)
		hash = (hash ^ address[i]) * 16777619u;
	return &lab_switch->learned[net][hash & (LEARNED_SLOTS - 1)];
}

static void learn(struct lab_switch *lab_switch, unsigned port, const uint8_t *address)
{
	struct learned *slot = learned_slot(lab_switch, lab_switch->ports[port].net, address);

	if (address[0] & 1)
		return;
	memcpy(slot->address, address, ADDRESS_BYTES);
	slot->port = port;
	slot->used = true;
}

static void forget_port(struct lab_switch *lab_switch, unsigned port)
{
	struct learned *slots = lab_switch->learned[lab_switch->ports[port].net];

	for (unsigned i = 0; i < LEARNED_SLOTS; i++) {
		if (slots[i].port == port)
			slots[i].used = false;
	}
}

static void deliver(unsigned to, const uint8_t *frame, size_t bytes, void *data)
{
	struct lab_switch *lab_switch = data;
	struct port *port = &lab_switch->ports[to];

	if (port->is_bmc) {
		port->counters.sent++;
		if (lab_switch->bmc_input)
			lab_switch->bmc_input(port->node, frame, bytes, lab_switch->bmc_data);
	} else if (port->fd >= 0) {
		if (send(port->fd, frame, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			port->counters.dropped++;
		else
			port->counters.sent++;
	}
}

static void pass(
	struct lab_switch *lab_switch, unsigned from, unsigned to, const uint8_t *frame, size_t bytes)
{
	struct port *source = &lab_switch->ports[from];
	const struct port *target = &lab_switch->ports[to];
	const struct fault *fault = &lab_switch->faults->pair[source->net][source->node][target->node];

	if (fault->cut || (fault->loss_percent && random_percent(lab_switch) < fault->loss_percent))
		source->counters.refused++;
	else if (fault->delay_ms)
		delay_queue_put(lab_switch->delayed, fault->delay_ms, to, frame, bytes);
	else
		deliver(to, frame, bytes, lab_switch);
}

static void forward(struct lab_switch *lab_switch, unsigned from, const uint8_t *frame, size_t bytes)
{
	enum lab_net net = lab_switch->ports[from].net;
	const struct learned *slot;

	if (bytes < 2 * ADDRESS_BYTES + 2)
		return;
	slot = learned_slot(lab_switch, net, frame);
	lab_switch->ports[from].counters.received++;
	learn(lab_switch, from, frame + ADDRESS_BYTES);
	if (!(frame[0] & 1) && slot->used && memcmp(slot->address, frame, ADDRESS_BYTES) == 0) {
		if (slot->port != from)
			pass(lab_switch, from, slot->port, frame, bytes);
		return;
	}
	for (unsigned to = 0; to < lab_switch->port_count; to++) {
		if (to != from && lab_switch->ports[to].net == net)
			pass(lab_switch, from, to, frame, bytes);
	}
}

static void port_disconnect(struct port *port)
{
	loop_source_remove(port->reader);
	port->reader = NULL;
	if (port->fd >= 0) {
		close(port->fd);
		forget_port(port->owner, (unsigned)(port - port->owner->ports));
	}
	port->fd = -1;
}

static enum loop_verdict port_readable(int fd, short events, void *data)
{
	struct port *port = data;
	struct lab_switch *lab_switch = port->owner;
	struct iovec vectors[BATCH];
	struct mmsghdr messages[BATCH] = { 0 };
	int count;

	(void)events;
	for (unsigned i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){ lab_switch->frames[i], SWITCH_FRAME_MAX };
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return LOOP_CONTINUE;
	if (count <= 0 || messages[0].msg_len == 0) {
		port->reader = NULL;
		port_disconnect(port);
		return LOOP_STOP;
	}
	for (int i = 0; i < count; i++)
		forward(lab_switch, (unsigned)(port - lab_switch->ports), lab_switch->frames[i],
			messages[i].msg_len);
	return LOOP_CONTINUE;
}

// A node that boots again connects anew; its old connection is dead by then.
static enum loop_verdict port_connected(int listen_fd, short events, void *data)
{
	struct port *port = data;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	const int bytes = SEND_BUFFER_BYTES;

	(void)events;
	if (fd < 0)
		return LOOP_CONTINUE;
	port_disconnect(port);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	port->fd = fd;
	port->reader = loop_add_fd(port->owner->loop, fd, POLLIN, port_readable, port);
	return LOOP_CONTINUE;
}

static int port_listen(struct port *port, struct error *err)
{
	const struct lab_config *config = port->owner->config;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.%s", config->runtime,
		lab_net_name(port->net), config->nodes[port->node].name);

	if (length >= (int)sizeof(address.sun_path))
		return error_set(err, ERROR_USAGE,
			"%s is too long for a socket: set XDG_RUNTIME_DIR to a shorter directory",
			config->runtime);
	port->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port->listen_fd < 0 || bind(port->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(port->listen_fd, 4) < 0)
		return error_set_errno(err, errno, "cannot listen on %s", address.sun_path);
	port->listener = loop_add_fd(port->owner->loop, port->listen_fd, POLLIN, port_connected, port);
	return 0;
}

static struct port *add_port(struct lab_switch *lab_switch, enum lab_net net, unsigned node)
{
	struct port *port = &lab_switch->ports[lab_switch->port_count++];

	*port = (struct port){ .owner = lab_switch, .net = net, .node = node, .fd = -1, .listen_fd = -1 };
	return port;
}

struct lab_switch *switch_new(
	struct loop *loop, const struct lab_config *config, const struct faults *faults, struct error *err)
{
	struct lab_switch *lab_switch = calloc(1, sizeof(*lab_switch));

	if (!lab_switch || !(lab_switch->delayed = delay_queue_new(loop, deliver, lab_switch))) {
		free(lab_switch);
		error_set(err, ERROR_FAILED, "out of memory");
		return NULL;
	}
	lab_switch->loop = loop;
	lab_switch->config = config;
	lab_switch->faults = faults;
	lab_switch->random = 88172645463325252u;
	for (unsigned node = 0; node < config->count; node++) {
		for (enum lab_net net = 0; net < NET_COUNT; net++) {
			if (port_listen(add_port(lab_switch, net, node), err) < 0) {
				switch_free(lab_switch);
				return NULL;
			}
		}
		add_port(lab_switch, NET_MGMT, node)->is_bmc = true;
	}
	return lab_switch;
}

void switch_free(struct lab_switch *lab_switch)
{
	if (!lab_switch)
		return;
	for (unsigned i = 0; i < lab_switch->port_count; i++) {
		struct port *port = &lab_switch->ports[i];

		port_disconnect(port);
		loop_source_remove(port->listener);
		if (port->listen_fd >= 0)
			close(port->listen_fd);
	}
	delay_queue_free(lab_switch->delayed);
	free(lab_switch);
}

void switch_attach_bmcs(struct lab_switch *lab_switch, switch_bmc_cb *input, void *data)
{
	lab_switch->bmc_input = input;
	lab_switch->bmc_data = data;
}

void switch_send_from_bmc(struct lab_switch *lab_switch, unsigned node, const uint8_t *frame, size_t bytes)
{
	for (unsigned i = 0; i < lab_switch->port_count; i++) {
		if (lab_switch->ports[i].is_bmc && lab_switch->ports[i].node == node)
			forward(lab_switch, i, frame, bytes);
	}
}

struct switch_counters switch_counters(const struct lab_switch *lab_switch, unsigned node, enum lab_net net)
{
	for (unsigned i = 0; i < lab_switch->port_count; i++) {
		const struct port *port = &lab_switch->ports[i];

		if (!port->is_bmc && port->node == node && port->net == net)
			return port->counters;
	}
	return (struct switch_counters){ 0 };
}
