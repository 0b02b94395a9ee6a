// SPDX-License-Identifier: GPL-3.0-or-later
// See tap-limit.h. To the guest: a token bucket (tbf), which queues. From the guest: a policer (police) at the tap's ingress, where nothing can
// be queued: it drops what is too much. Netlink's answers come from the kernel at once: nothing here waits.
#include "hypervisor/tap-limit.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"

#define TAP_PREFIX "hf"
#define TAP_MAC_FIRST "fe" // as tap.c makes them
#define BURST_LEAST_BYTES 131072u // two of the largest packets that a guest hands over in one piece
#define BURSTS_PER_S 20
#define QUEUE_PER_S 10 // what waits for the guest: a tenth of a second, but at least two bursts
#define TICK_NS 64 // the kernel's unit of burst times
#define NS_PER_S 1000000000ull
#define RATE_TABLE 256 // of no use to the kernel any more, but it must be there
#define TABLE_CELL_LOG 3
#define INGRESS_HANDLE 0xffff0000u
#define ROOT_HANDLE 0x10000u
#define PRIORITY 1u

int tap_find(const char *mac, char name[IFNAMSIZ], struct error *err)
{
	char path[300], address[32], wanted[32];
	bool found = false;
	snprintf(wanted, sizeof(wanted), TAP_MAC_FIRST "%.15s", strlen(mac) > 2 ? mac + 2 : "");
	DIR *all = opendir("/sys/class/net");
	for (struct dirent *entry; all && !found && (entry = readdir(all));) {
		if (strncmp(entry->d_name, TAP_PREFIX, 2) || strlen(entry->d_name) >= IFNAMSIZ)
			continue;
		snprintf(path, sizeof(path), "/sys/class/net/%s/address", entry->d_name);
		cleanup_file FILE *file = fopen(path, "re");
		if (!file || !fgets(address, sizeof(address), file))
			continue;
		address[strcspn(address, "\n")] = '\0';
		found = !strcasecmp(address, wanted);
		if (found)
			snprintf(name, IFNAMSIZ, "%.15s", entry->d_name);
	}
	if (all)
		closedir(all);
	return found ? 0
		     : error_set(err, ERROR_NOT_FOUND, "there is no tap for a NIC with MAC address %s", mac);
}

// ---- messages

static struct nl_msg *message(int type, int flags, int interface, uint32_t parent, uint32_t handle)
{
	struct tcmsg header = {
		.tcm_family = AF_UNSPEC, .tcm_ifindex = interface, .tcm_parent = parent, .tcm_handle = handle
	};
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);
	if (msg && nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static uint32_t at_most_u32(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint32_t burst_bytes(uint64_t bytes_per_s)
{
	uint64_t burst = bytes_per_s / BURSTS_PER_S;
	return at_most_u32(burst > BURST_LEAST_BYTES ? burst : BURST_LEAST_BYTES);
}

static struct tc_ratespec rate_of(uint64_t bytes_per_s)
{
	return (struct tc_ratespec){ .linklayer = TC_LINKLAYER_ETHERNET,
		.rate = at_most_u32(bytes_per_s),
		.cell_log = TABLE_CELL_LOG };
}

static struct nl_msg *bucket_message(int interface, uint64_t bytes_per_s)
{
	struct nl_msg *msg =
		message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, interface, TC_H_ROOT, ROOT_HANDLE);
	uint32_t burst = burst_bytes(bytes_per_s);
	uint64_t queue = bytes_per_s / QUEUE_PER_S;
	struct tc_tbf_qopt parameters = {
		.rate = rate_of(bytes_per_s),
		.limit = at_most_u32(queue > 2ull * burst ? queue : 2ull * burst),
	};
	if (!msg)
		return NULL;
	nla_put_string(msg, TCA_KIND, "tbf");
	struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
	nla_put(msg, TCA_TBF_PARMS, sizeof(parameters), &parameters);
	nla_put_u32(msg, TCA_TBF_BURST, burst);
	if (bytes_per_s > UINT32_MAX)
		nla_put_u64(msg, TCA_TBF_RATE64, bytes_per_s);
	if (options)
		nla_nest_end(msg, options);
	return msg;
}

static struct nl_msg *ingress_message(int interface)
{
	struct nl_msg *msg =
		message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, interface, TC_H_INGRESS, INGRESS_HANDLE);
	if (msg)
		nla_put_string(msg, TCA_KIND, "ingress");
	return msg;
}

static void put_police(struct nl_msg *msg, uint64_t bytes_per_s)
{
	uint32_t table[RATE_TABLE] = { 0 };
	uint64_t burst_ns = (uint64_t)burst_bytes(bytes_per_s) * NS_PER_S / bytes_per_s;
	struct tc_police police = {
		.action = TC_ACT_SHOT,
		.rate = rate_of(bytes_per_s),
		.burst = at_most_u32(burst_ns / TICK_NS),
	};
	struct nlattr *actions = nla_nest_start(msg, TCA_MATCHALL_ACT);
	struct nlattr *first = nla_nest_start(msg, 1);
	nla_put_string(msg, TCA_ACT_KIND, "police");
	struct nlattr *options = nla_nest_start(msg, TCA_ACT_OPTIONS);
	nla_put(msg, TCA_POLICE_TBF, sizeof(police), &police);
	nla_put(msg, TCA_POLICE_RATE, sizeof(table), table);
	if (bytes_per_s > UINT32_MAX)
		nla_put_u64(msg, TCA_POLICE_RATE64, bytes_per_s);
	if (options)
		nla_nest_end(msg, options);
	if (first)
		nla_nest_end(msg, first);
	if (actions)
		nla_nest_end(msg, actions);
}

static struct nl_msg *police_message(int interface, uint64_t bytes_per_s)
{
	struct nl_msg *msg = message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, interface, INGRESS_HANDLE, 0);
	if (!msg)
		return NULL;
	((struct tcmsg *)nlmsg_data(nlmsg_hdr(msg)))->tcm_info = PRIORITY << 16 | htons(ETH_P_ALL);
	nla_put_string(msg, TCA_KIND, "matchall");
	struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
	put_police(msg, bytes_per_s);
	if (options)
		nla_nest_end(msg, options);
	return msg;
}

// ---- the whole

// Consumes MSG. Negative: libnl's error.
static int ask(struct nl_sock *sock, struct nl_msg *msg)
{
	return msg ? nl_send_sync(sock, msg) : -NLE_NOMEM;
}

// What is not there is off.
static void take_off(struct nl_sock *sock, int interface)
{
	if (ask(sock, message(RTM_DELQDISC, 0, interface, TC_H_INGRESS, INGRESS_HANDLE)) < 0 ||
		ask(sock, message(RTM_DELQDISC, 0, interface, TC_H_ROOT, ROOT_HANDLE)) < 0)
		return;
}

int tap_limit(const char *name, uint64_t bytes_per_s, struct error *err)
{
	int interface = (int)if_nametoindex(name);
	if (!interface)
		return error_set_errno(err, errno, "interface %s", name);
	struct nl_sock *sock = nl_socket_alloc();
	int result = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;
	if (!result) {
		take_off(sock, interface);
		if (bytes_per_s)
			result = ask(sock, bucket_message(interface, bytes_per_s));
		if (bytes_per_s && !result)
			result = ask(sock, ingress_message(interface));
		if (bytes_per_s && !result)
			result = ask(sock, police_message(interface, bytes_per_s));
		if (result)
			take_off(sock, interface);
	}
	nl_socket_free(sock);
	if (!result)
		return 0;
	return error_set(err, ERROR_FAILED,
		"%s cannot be limited: %s (the kernel's modules sch_tbf, sch_ingress, cls_matchall and "
		"act_police are needed)",
		name, nl_geterror(result));
}
