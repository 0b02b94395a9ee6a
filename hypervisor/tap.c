// SPDX-License-Identifier: GPL-3.0-or-later
// See tap.h. Netlink's answers come from the kernel at once: nothing here waits.
#include "hypervisor/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netlink/route/link.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include "common/cleanup.h"
#include "proto/shape.h"

#define TAP_NAME "hf%d" // the kernel puts the first free number in
#define TAP_MAC_FIRST "fe"

static void list_networks(const struct config *config, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "%s", config->network_count ? "" : "none");
	for (size_t i = 0; i < config->network_count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", config->networks[i].name);
}

static bool is_bridge(const char *name)
{
	struct rtnl_link *link = NULL;
	struct nl_sock *sock = nl_socket_alloc();
	bool found = sock && !nl_connect(sock, NETLINK_ROUTE) && !rtnl_link_get_kernel(sock, 0, name, &link);
	const char *type = found ? rtnl_link_get_type(link) : NULL;
	found = type && !strcmp(type, "bridge");
	rtnl_link_put(link);
	nl_socket_free(sock);
	return found;
}

static int find_bridge(const struct config *config, const char *network, const char **bridge, struct error *err)
{
	char known[200];
	for (size_t i = 0; i < config->network_count; i++) {
		if (strcmp(config->networks[i].name, network))
			continue;
		*bridge = config->networks[i].bridge;
		if (is_bridge(*bridge))
			return 0;
		return error_set(err, ERROR_NOT_FOUND,
			"network %s is the bridge %s on node %s, which has no such bridge now: bring it up "
			"(ip link add %s type bridge)",
			network, *bridge, config->node, *bridge);
	}
	list_networks(config, known, sizeof(known));
	return error_set(err, ERROR_NOT_FOUND,
		"node %s has no network %.63s (it has: user, %s): put [network %.63s] with bridge= into its "
		"configuration, or use another",
		config->node, network, known, network);
}

static int make_tap(char name[IFNAMSIZ], int *fd, struct error *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	memcpy(request.ifr_name, TAP_NAME, sizeof(TAP_NAME));
	cleanup_fd int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (tap < 0)
		return error_set_errno(err, errno, "cannot open /dev/net/tun (module tun)");
	if (ioctl(tap, TUNSETIFF, &request))
		return error_set_errno(err, errno, "cannot make a tap");
	snprintf(name, IFNAMSIZ, "%s", request.ifr_name);
	*fd = steal_fd(&tap);
	return 0;
}

// What is changed of the tap, in one message.
static int change_link(struct nl_sock *sock, struct rtnl_link *tap, struct rtnl_link *bridge, const char *mac)
{
	char own[32];
	struct nl_addr *address = NULL;
	struct rtnl_link *change = rtnl_link_alloc();
	if (!change)
		return -NLE_NOMEM;
	snprintf(own, sizeof(own), TAP_MAC_FIRST "%s", mac + 2);
	if (mac[0] && !nl_addr_parse(own, AF_LLC, &address))
		rtnl_link_set_addr(change, address);
	rtnl_link_set_master(change, rtnl_link_get_ifindex(bridge));
	rtnl_link_set_mtu(change, rtnl_link_get_mtu(bridge));
	rtnl_link_set_flags(change, IFF_UP);
	int result = rtnl_link_change(sock, tap, change, 0);
	rtnl_link_put(change);
	nl_addr_put(address);
	return result;
}

static int put_on_bridge(const char *tap_name, const char *bridge_name, const char *mac, struct error *err)
{
	struct rtnl_link *tap = NULL, *bridge = NULL;
	struct nl_sock *sock = nl_socket_alloc();
	int result = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;
	if (!result)
		result = rtnl_link_get_kernel(sock, 0, tap_name, &tap);
	if (!result)
		result = rtnl_link_get_kernel(sock, 0, bridge_name, &bridge);
	if (!result)
		result = change_link(sock, tap, bridge, mac);
	rtnl_link_put(tap);
	rtnl_link_put(bridge);
	nl_socket_free(sock);
	if (!result)
		return 0;
	return error_set(err, ERROR_FAILED, "cannot put a tap on bridge %s: %s", bridge_name, nl_geterror(result));
}

int tap_open(const struct config *config, const char *network, const char *mac, int *fd, struct error *err)
{
	const char *bridge;
	char name[IFNAMSIZ];
	cleanup_fd int tap = -1;
	if (find_bridge(config, network, &bridge, err) || make_tap(name, &tap, err) ||
		put_on_bridge(name, bridge, mac, err))
		return -1;
	*fd = steal_fd(&tap);
	return 0;
}

bool tap_network_there(const struct config *config, const char *network)
{
	const char *bridge;
	struct error ignored = ERROR_INIT;
	bool there = !find_bridge(config, network, &bridge, &ignored);
	error_clear(&ignored);
	return there;
}

int tap_check(const struct config *config, const Holdfast__Vm *vm, struct error *err)
{
	const char *bridge;
	for (size_t i = 0; i < vm->n_nics; i++)
		if (vm->nics[i]->network[0] && shape_is_bridged(vm->nics[i]) &&
			find_bridge(config, vm->nics[i]->network, &bridge, err))
			return error_prefix(err, "VM %s", vm->name);
	return 0;
}
