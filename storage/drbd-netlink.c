// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers are those of linux/drbd_genl.h of DRBD 8.4 (family "drbd", version 1), which Debian installs nowhere: a message is the generic
// header, then {u32 minor; u32 flags, in a reply the result}, then attributes. The kernel answers every request with a message of its own.
#include "storage/drbd-netlink.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { COMMAND_GET_STATUS = 2, COMMAND_PRIMARY = 14, COMMAND_SECONDARY = 15 };
enum { ATTRIBUTE_REPLY = 1, ATTRIBUTE_SET_ROLE = 6, ATTRIBUTE_STATE_INFO = 8 };
enum { REPLY_TEXT = 1 };
enum { SET_ROLE_ASSUME_UP_TO_DATE = 1 };
enum { STATE_INFO_UUIDS = 7 };
enum { UUID_CURRENT, UUID_BITMAP };
#define NO_ERROR 101 // the result of what is no role change

struct drbd_header {
	uint32_t minor;
	int32_t flags_or_result;
};

struct drbd_netlink {
	struct nl_sock *socket;
	int family;
};

struct answer {
	bool arrived;
	int result;
	char text[256];
	bool has_generation;
	struct drbd_generation generation;
};

struct drbd_netlink *drbd_netlink_open(struct error *err)
{
	struct drbd_netlink *netlink = calloc(1, sizeof(*netlink));

	if (!netlink || !(netlink->socket = nl_socket_alloc())) {
		free(netlink);
		error_set_errno(err, ENOMEM, "netlink");
		return NULL;
	}
	int status = genl_connect(netlink->socket);
	if (status == 0)
		status = netlink->family = genl_ctrl_resolve(netlink->socket, "drbd");
	if (status < 0) {
		error_set(err, ERROR_FAILED, "DRBD cannot be reached (%s): is its module loaded?",
			nl_geterror(status));
		drbd_netlink_close(netlink);
		return NULL;
	}
	nl_socket_disable_auto_ack(netlink->socket);
	return netlink;
}

void drbd_netlink_close(struct drbd_netlink *netlink)
{
	if (!netlink)
		return;
	nl_socket_free(netlink->socket);
	free(netlink);
}

static struct nlattr *nested(struct nlattr *attribute, int type)
{
	return attribute ? nla_find(nla_data(attribute), nla_len(attribute), type) : NULL;
}

static int take_answer(struct nl_msg *message, void *data)
{
	struct answer *answer = data;
	struct genlmsghdr *generic = nlmsg_data(nlmsg_hdr(message));
	struct drbd_header header;
	int left = genlmsg_len(generic);

	if (left < (int)sizeof(header))
		return NL_SKIP;
	memcpy(&header, genlmsg_data(generic), sizeof(header));
	struct nlattr *attributes = genlmsg_attrdata(generic, sizeof(header));
	int bytes = genlmsg_attrlen(generic, sizeof(header));
	answer->arrived = true;
	answer->result = header.flags_or_result;
	struct nlattr *text = nested(nla_find(attributes, bytes, ATTRIBUTE_REPLY), REPLY_TEXT);
	if (text)
		nla_strlcpy(answer->text, text, sizeof(answer->text));
	struct nlattr *uuids = nested(nla_find(attributes, bytes, ATTRIBUTE_STATE_INFO), STATE_INFO_UUIDS);
	uint64_t values[2];
	if (uuids && nla_len(uuids) >= (int)sizeof(values)) {
		memcpy(values, nla_data(uuids), sizeof(values));
		answer->generation.current = values[UUID_CURRENT];
		answer->generation.bitmap = values[UUID_BITMAP];
		answer->has_generation = true;
	}
	return NL_OK;
}

static int take_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *data)
{
	*(int *)data = error->error;
	return NL_STOP;
}

// Sends MESSAGE and waits for its answer; the kernel works on it during the send.
static int transact(
	struct drbd_netlink *netlink, struct nl_msg *message, struct answer *answer, struct error *err)
{
	struct nl_cb *callbacks = nl_cb_alloc(NL_CB_DEFAULT);
	int refused = 0, status;

	if (!callbacks)
		return error_set_errno(err, ENOMEM, "netlink");
	nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, take_answer, answer);
	nl_cb_err(callbacks, NL_CB_CUSTOM, take_error, &refused);
	status = nl_send_auto(netlink->socket, message);
	while (status >= 0 && !answer->arrived && !refused)
		status = nl_recvmsgs(netlink->socket, callbacks);
	nl_cb_put(callbacks);
	if (refused)
		return error_set_errno(err, -refused, "DRBD refused a request");
	if (status < 0)
		return error_set(err, ERROR_FAILED, "DRBD does not answer: %s", nl_geterror(status));
	return 0;
}

static struct nl_msg *request(const struct drbd_netlink *netlink, int command, uint32_t minor)
{
	struct nl_msg *message = nlmsg_alloc();
	struct drbd_header *header = message
		? genlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, netlink->family, sizeof(*header), 0,
			  (uint8_t)command, 1)
		: NULL;

	if (!header) {
		nlmsg_free(message);
		return NULL;
	}
	header->minor = minor;
	header->flags_or_result = 0;
	return message;
}

const char *drbd_result_text(int result)
{
	switch (result) {
	case DRBD_TWO_PRIMARIES:
		return "it is Primary on the other node";
	case DRBD_NO_UP_TO_DATE_DISK:
		return "no UpToDate data can be reached";
	case DRBD_PEER_NOT_OUTDATED:
		return "the other node is neither connected nor proved to be gone (the fence-peer handler "
		       "did not confirm it)";
	case DRBD_HELD_OPEN:
		return "it is held open";
	case DRBD_TRANSIENT:
	case DRBD_CONCURRENT:
		return "its state is just changing";
	case DRBD_OTHER_VOLUME_PRIMARY:
		return "another volume of the group is Primary on the other node";
	case -4:
		return "it has no local disk";
	case -10:
		return "the other node refused";
	case -11:
		return "it is diskless";
	default:
		return "DRBD refused";
	}
}

static enum error_code result_code(int result)
{
	switch (result) {
	case DRBD_TWO_PRIMARIES:
	case DRBD_OTHER_VOLUME_PRIMARY:
	case DRBD_HELD_OPEN:
	case DRBD_TRANSIENT:
	case DRBD_CONCURRENT:
		return ERROR_BUSY;
	case DRBD_NO_UP_TO_DATE_DISK:
	case DRBD_PEER_NOT_OUTDATED:
		return ERROR_UNSAFE;
	default:
		return ERROR_FAILED;
	}
}

static int change_role(struct drbd_netlink *netlink, int command, uint32_t minor, enum drbd_force force,
	enum drbd_result *result, struct error *err)
{
	struct answer answer = { 0 };
	struct nl_msg *message = request(netlink, command, minor);
	struct nlattr *nest = message ? nla_nest_start(message, ATTRIBUTE_SET_ROLE) : NULL;

	if (result)
		*result = DRBD_OTHER;
	if (!nest || (force == DRBD_FORCE && nla_put_u8(message, SET_ROLE_ASSUME_UP_TO_DATE, 1) < 0)) {
		nlmsg_free(message);
		return error_set_errno(err, ENOMEM, "netlink");
	}
	// Also when it is empty: without this attribute the kernel refuses the request.
	nla_nest_end_keep_empty(message, nest);
	int status = transact(netlink, message, &answer, err);
	nlmsg_free(message);
	if (status < 0)
		return -1;
	if (result)
		*result = (enum drbd_result)answer.result;
	if (answer.result == DRBD_DONE || answer.result == DRBD_NOTHING_TO_DO)
		return 0;
	return error_set(err, result_code(answer.result),
		"/dev/drbd%u cannot become %s: %s (DRBD's code %d%s%s)", minor,
		command == COMMAND_PRIMARY ? "Primary" : "Secondary", drbd_result_text(answer.result),
		answer.result, answer.text[0] ? ", " : "", answer.text);
}

int drbd_netlink_primary(struct drbd_netlink *netlink, uint32_t minor, enum drbd_force force,
	enum drbd_result *result, struct error *err)
{
	return change_role(netlink, COMMAND_PRIMARY, minor, force, result, err);
}

int drbd_netlink_secondary(
	struct drbd_netlink *netlink, uint32_t minor, enum drbd_result *result, struct error *err)
{
	return change_role(netlink, COMMAND_SECONDARY, minor, DRBD_NO_FORCE, result, err);
}

int drbd_netlink_generation(
	struct drbd_netlink *netlink, uint32_t minor, struct drbd_generation *generation, struct error *err)
{
	struct answer answer = { 0 };
	struct nl_msg *message = request(netlink, COMMAND_GET_STATUS, minor);

	if (!message)
		return error_set_errno(err, ENOMEM, "netlink");
	int status = transact(netlink, message, &answer, err);
	nlmsg_free(message);
	if (status < 0)
		return -1;
	if (answer.result != NO_ERROR || !answer.has_generation)
		return error_set(err, ERROR_NOT_FOUND, "/dev/drbd%u has no disk attached (DRBD's code %d)",
			minor, answer.result);
	*generation = answer.generation;
	return 0;
}
