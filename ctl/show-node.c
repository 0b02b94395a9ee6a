// SPDX-License-Identifier: GPL-3.0-or-later
// Nodes and their fence devices, as people read them.
#include <string.h>
#include <strings.h>
#include "common/cleanup.h"
#include "ctl/show.h"
#include "ctl/value.h"

enum colour show_node_colour(Holdfast__NodeState state)
{
	if (state == HOLDFAST__NODE_STATE__NODE_ONLINE)
		return COLOUR_GOOD;
	return state == HOLDFAST__NODE_STATE__NODE_OFFLINE ? COLOUR_BAD : COLOUR_WARN;
}

// "512 MiB of 2 GiB", or "-" where nothing is known.
static void show_free(struct table_line *line, unsigned column, uint64_t part, uint64_t whole)
{
	char left[VALUE_BYTES], right[VALUE_BYTES];

	if (whole)
		table_set(
			line, column, "%s of %s", value_show_size(left, part), value_show_size(right, whole));
	else
		table_set(line, column, "-");
}

void show_node_list(const struct printer *printer, const ProtobufCMessage *message)
{
	static const struct table_column columns[] = {
		{ "NODE", 0 },
		{ "SITE", 0 },
		{ "STATE", 0 },
		{ "ADDRESS", 0 },
		{ "MEMORY FREE", 0 },
		{ "POOL FREE", 0 },
		{ "FENCING", 0 },
		{ "GROUPS", TABLE_WRAP },
		{ NULL, 0 },
	};
	const Holdfast__NodeList *list = (const void *)message;
	struct table *table = table_new(printer, columns);

	for (size_t i = 0; i < list->n_nodes; i++) {
		const Holdfast__NodeStatus *node = list->nodes[i];
		cleanup_free char *groups = print_join(node->groups, node->n_groups, "-");
		struct table_line *line = table_add(table, NULL);
		char state[PRINT_ENUM_BYTES];

		table_set(line, 0, "%s", node->name);
		table_set(line, 1, "%s", node->site);
		table_set(line, 2, "%s",
			print_enum(state, &holdfast__node_state__descriptor, (int)node->state));
		table_colour(line, 2, show_node_colour(node->state));
		table_set(line, 3, "%s", node->address);
		show_free(line, 4, node->memory_free_mib << 20, node->memory_mib << 20);
		show_free(line, 5, node->pool_free_bytes, node->pool_size_bytes);
		table_set(line, 6, "%s", node->fence_device[0] ? node->fence_device : "none");
		table_colour(line, 6, node->fence_device[0] ? COLOUR_NONE : COLOUR_WARN);
		table_set(line, 7, "%s", groups ? groups : "");
	}
	table_print(table);
}

void show_node(const struct printer *printer, const ProtobufCMessage *message)
{
	const Holdfast__NodeStatus *node = (const void *)message;
	cleanup_free char *groups = print_join(node->groups, node->n_groups, "none");
	cleanup_free char *models = print_join(node->cpu_models, node->n_cpu_models, "");
	char state[PRINT_ENUM_BYTES], left[VALUE_BYTES], right[VALUE_BYTES];

	print_line(printer, "node %s", node->name);
	print_field(printer, "state", "%s",
		print_enum(state, &holdfast__node_state__descriptor, (int)node->state));
	if (node->state == HOLDFAST__NODE_STATE__NODE_OFFLINE)
		print_field(printer, "loss", "%s",
			node->fenced ? "proved: its groups may start elsewhere"
				     : "not proved: its groups wait for it or for fencing");
	print_field(printer, "site", "%s", node->site);
	print_field(printer, "address", "%s", node->address);
	print_field(printer, "node id", "%u", node->nodeid);
	print_field(printer, "groups", "%s", groups ? groups : "");
	if (node->memory_mib)
		print_field(printer, "memory free", "%s of %s",
			value_show_size(left, node->memory_free_mib << 20),
			value_show_size(right, node->memory_mib << 20));
	if (node->cpus)
		print_field(printer, "CPUs", "%u", node->cpus);
	if (node->cpu_model[0])
		print_field(printer, "CPU model", "up to %s (%s)", node->cpu_model, models ? models : "");
	if (node->pool_size_bytes)
		print_field(printer, "pool free", "%s of %s", value_show_size(left, node->pool_free_bytes),
			value_show_size(right, node->pool_size_bytes));
	print_field(printer, "fencing", "%s",
		node->fence_device[0] ? node->fence_device : "none: see `holdfast fence add --help`");
	if (node->cpus_reserved > 0)
		print_field(printer, "reserved", "%.2f of %u CPUs", node->cpus_reserved, node->cpus);
	print_field(printer, "not kept", "%s", node->control);
	print_field(printer, "version", "%s", node->version);
	for (size_t i = 0; i < node->n_problems; i++)
		print_field(printer, "problem", "%s", node->problems[i]);
}

// Passwords stay where they are needed.
static bool is_secret(const char *option)
{
	return !strncasecmp(option, "passw", 5) || !strncasecmp(option, "secret", 6);
}

static void set_options(struct table_line *line, unsigned column, const Holdfast__FenceDevice *device)
{
	char *words[32];
	char secret[32][24];
	size_t count = 0;

	for (; count < device->n_options && count < 32; count++) {
		words[count] = device->options[count];
		if (is_secret(words[count])) {
			snprintf(secret[count], sizeof(secret[count]), "%.*s=***",
				(int)strcspn(words[count], "=") % 16, words[count]);
			words[count] = secret[count];
		}
	}
	cleanup_free char *text = print_join(words, count, "-");
	table_set(line, column, "%s", text ? text : "");
}

static void add_device(struct table *table, const Holdfast__FenceDevice *device)
{
	struct table_line *line = table_add(table, NULL);

	table_set(line, 0, "%s", device->node);
	table_set(line, 1, "%s", device->agent);
	table_set(line, 2, "%s", device->state[0] ? device->state : "-");
	set_options(line, 3, device);
}

static const struct table_column fence_columns[] = {
	{ "NODE", 0 },
	{ "AGENT", 0 },
	{ "STATE", 0 },
	{ "OPTIONS", TABLE_WRAP },
	{ NULL, 0 },
};

void show_fence_list(const struct printer *printer, const ProtobufCMessage *message)
{
	const Holdfast__FenceList *list = (const void *)message;
	struct table *table = table_new(printer, fence_columns);

	for (size_t i = 0; i < list->n_devices; i++)
		add_device(table, list->devices[i]);
	table_print(table);
}
