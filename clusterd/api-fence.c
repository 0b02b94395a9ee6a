// SPDX-License-Identifier: GPL-3.0-or-later
// fence add, list, delete, test: the stonith device of each node. A device is added only after its agent has proved,
// with the same options, that it reaches the node's switch. The options (passwords may be among them) are never logged.
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "common/spawn.h"
#include "proto/json.h"

#define AGENT_TIMEOUT_MS 30000u

static int check_agent(const char *agent, struct error *err)
{
	cleanup_free char *path = g_strdup_printf("/usr/sbin/%s", agent);

	if (!*agent ||
		strspn(agent, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
			strlen(agent))
		return error_set(err, ERROR_USAGE,
			"'%.60s' is no name of a fence agent: give one like fence_ipmilan", agent);
	if (access(path, X_OK) < 0)
		return error_set(err, ERROR_NOT_FOUND,
			"there is no fence agent %s: install it on all nodes ('stonith_admin "
			"--list-installed' shows "
			"what there is)",
			path);
	return 0;
}

static int check_options(const Holdfast__FenceDevice *device, struct error *err)
{
	for (size_t i = 0; i < device->n_options; i++) {
		const char *equals = strchr(device->options[i], '=');

		if (!equals || equals == device->options[i])
			return error_set(
				err, ERROR_USAGE, "option %zu of the fence device is no KEY=VALUE", i + 1);
	}
	return 0;
}

// The conventions of fence agents: key=value lines on stdin. The node to look at is the plug, unless the options say so already.
static int run_monitor(const Holdfast__FenceDevice *device, struct error *err)
{
	cleanup_free char *path = g_strdup_printf("/usr/sbin/%s", device->agent);
	const char *const argv[] = { path, NULL };
	g_autoptr(GString) input = g_string_new("action=monitor\n");
	bool has_plug = false;

	for (size_t i = 0; i < device->n_options; i++) {
		const char *option = device->options[i];

		g_string_append_printf(input, "%s\n", option);
		has_plug |= g_str_has_prefix(option, "plug=") || g_str_has_prefix(option, "port=");
	}
	if (!has_plug)
		g_string_append_printf(input, "plug=%s\nnodename=%s\n", device->node, device->node);
	if (spawn_run_input(argv, input->str, AGENT_TIMEOUT_MS, NULL, err) < 0)
		return error_prefix(err, "the fence device of node %s does not work", device->node);
	return 0;
}

static int read_metadata(const char *agent, struct error *err)
{
	cleanup_free char *path = g_strdup_printf("/usr/sbin/%s", agent);
	const char *const argv[] = { path, NULL };
	struct spawn_output output;

	int result = spawn_run_input(argv, "action=metadata\n", AGENT_TIMEOUT_MS, &output, err);
	if (result == 0 && !strstr(output.out, "<resource-agent"))
		result = error_set(err, ERROR_FAILED, "%s is no fence agent: it has no metadata", path);
	spawn_output_done(&output);
	return result;
}

API_HANDLER(serve_add)
{
	const Holdfast__FenceDevice *device = request->fence_add;
	cleanup_view struct view *view = view_take(cd);

	if (!view_node(cd, view, device->node, err) || check_agent(device->agent, err) < 0 ||
		check_options(device, err) < 0 || api_need_quorum(cd, err) < 0)
		return -1;
	rpc_call_progress(call, 20, "asking the agent %s whether it reaches node %s's switch", device->agent,
		device->node);
	if (read_metadata(device->agent, err) < 0 || run_monitor(device, err) < 0)
		return -1;
	rpc_call_progress(call, 80, "adding the device");
	if (cib_link_do(cd->cib, err, cib_set_fence_device(cib, device, err)) < 0)
		return -1;
	api_reply_name(reply, device->node);
	return 0;
}

// ---- what is configured, and whether it works

static const char *device_of(
	struct clusterd *cd, const struct view *view, const char *name, struct error *err)
{
	const struct cib_node *node = view_node(cd, view, name, err);

	if (!node)
		return NULL;
	if (!node->fence_device)
		error_set(err, ERROR_NOT_FOUND,
			"node %s has no fence device: add one with 'holdfast fence add %s AGENT "
			"KEY=VALUE...'",
			name, name);
	return node->fence_device;
}

// Shown without its secrets.
static char *public_option(const char *option)
{
	const char *equals = strchr(option, '=');
	g_autofree char *key = g_ascii_strdown(option, equals ? equals - option : -1);

	if (equals &&
		(strstr(key, "pass") || strstr(key, "secret") || strstr(key, "key") ||
			strstr(key, "community")))
		return g_strdup_printf("%.*s=********", (int)(equals - option), option);
	return g_strdup(option);
}

API_HANDLER(serve_list)
{
	cleanup_view struct view *view = view_take(cd);
	const struct cib_snapshot *cib = view->input.cib;
	Holdfast__FenceList *list = g_new0(Holdfast__FenceList, 1);

	(void)call, (void)request, (void)err;
	holdfast__fence_list__init(list);
	list->devices = g_new0(Holdfast__FenceDevice *, (cib ? cib->fence_device_count : 0) + 1);
	for (size_t i = 0; cib && i < cib->fence_device_count; i++) {
		Holdfast__FenceDevice *device =
			(Holdfast__FenceDevice *)proto_copy(&cib->fence_devices[i]->base);

		for (size_t o = 0; o < device->n_options; o++) {
			char *shown = public_option(device->options[o]);
			free(device->options[o]);
			device->options[o] = shown;
		}
		list->devices[list->n_devices++] = device;
	}
	reply->body_case = HOLDFAST__REPLY__BODY_FENCE_LIST;
	reply->fence_list = list;
	return 0;
}

// With what is in the CIB, not with what was once typed. From this node: Pacemaker monitors it from its own.
API_HANDLER(serve_test)
{
	cleanup_view struct view *view = view_take(cd);
	const char *name = request->fence_test->name;
	const char *device = device_of(cd, view, name, err);

	if (!device)
		return -1;
	rpc_call_progress(call, -1, "testing %s", device);
	for (size_t i = 0; i < view->input.cib->fence_device_count; i++)
		if (!strcmp(view->input.cib->fence_devices[i]->node, name) &&
			run_monitor(view->input.cib->fence_devices[i], err) < 0)
			return -1;
	api_reply_name(reply, device);
	return 0;
}

API_HANDLER(serve_delete)
{
	cleanup_view struct view *view = view_take(cd);

	(void)call;
	if (!device_of(cd, view, request->fence_delete->name, err) || api_need_quorum(cd, err) < 0)
		return -1;
	if (cib_link_do(cd->cib, err, cib_delete_fence_device(cib, request->fence_delete->name, err)) < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

const struct api_verb api_fence_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_FENCE_ADD, CALLER_ADMIN, API_CHANGES, serve_add },
	{ HOLDFAST__REQUEST__BODY_FENCE_LIST, CALLER_ADMIN, 0, serve_list },
	{ HOLDFAST__REQUEST__BODY_FENCE_TEST, CALLER_ADMIN, 0, serve_test },
	{ HOLDFAST__REQUEST__BODY_FENCE_DELETE, CALLER_ADMIN, API_CHANGES, serve_delete },
	{ 0 },
};
