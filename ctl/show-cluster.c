// SPDX-License-Identifier: GPL-3.0-or-later
// The whole cluster on one screen: sites, their nodes, the groups that run there; then what is wrong, plainly.
#include <string.h>
#include "common/cleanup.h"
#include "ctl/show.h"
#include "ctl/value.h"

enum { NAME, STATE, DETAIL };

static void show_head(const struct printer *printer, const Holdfast__ClusterStatus *status)
{
	fputs("cluster ", printer->out);
	print_text(printer, status->name);
	fputs(": ", printer->out);
	print_colour(printer, status->quorate ? COLOUR_GOOD : COLOUR_BAD,
		status->quorate ? "quorate" : "NOT QUORATE");
	if (status->witness[0]) {
		fputs(", witness ", printer->out);
		print_text(printer, status->witness);
		fputc(' ', printer->out);
		print_colour(printer, strcmp(status->witness_state, "connected") ? COLOUR_BAD : COLOUR_GOOD,
			status->witness_state);
	} else {
		fputs(", no witness", printer->out);
	}
	if (status->dc[0]) {
		fputs(", decided on ", printer->out);
		print_text(printer, status->dc);
	}
	fputs("\n\n", printer->out);
}

static void add_group(struct table *table, struct table_line *parent, const Holdfast__GroupStatus *group)
{
	cleanup_free char *vms = print_join(group->vms, group->n_vms, "none");
	struct table_line *line = table_add(table, parent);
	char state[PRINT_ENUM_BYTES];

	table_set(line, NAME, "%s", group->name);
	table_set(
		line, STATE, "%s", print_enum(state, &holdfast__group_state__descriptor, (int)group->state));
	table_colour(line, STATE, show_group_colour(group->state));
	table_set(line, DETAIL, "VMs: %s%s", vms ? vms : "", group->n_problems ? "; has problems" : "");
}

static void add_node(struct table *table, struct table_line *site, const Holdfast__ClusterStatus *status,
	const Holdfast__NodeStatus *node)
{
	struct table_line *line = table_add(table, site);
	char state[PRINT_ENUM_BYTES], memory[VALUE_BYTES], pool[VALUE_BYTES];

	table_set(line, NAME, "%s", node->name);
	table_set(line, STATE, "%s", print_enum(state, &holdfast__node_state__descriptor, (int)node->state));
	table_colour(line, STATE, show_node_colour(node->state));
	if (node->state == HOLDFAST__NODE_STATE__NODE_OFFLINE)
		table_set(line, DETAIL, "%s", node->fenced ? "its loss is proved" : "its loss is not proved");
	else if (node->memory_mib)
		table_set(line, DETAIL, "free: memory %s, pool %s",
			value_show_size(memory, node->memory_free_mib << 20),
			value_show_size(pool, node->pool_free_bytes));
	else
		table_set(line, DETAIL, "%s", node->address);
	for (size_t i = 0; i < status->n_groups; i++)
		if (!strcmp(status->groups[i]->owner, node->name))
			add_group(table, line, status->groups[i]);
}

static void add_site(
	struct table *table, const Holdfast__ClusterStatus *status, const Holdfast__SiteStatus *site)
{
	struct table_line *line = table_add(table, NULL);

	table_set(line, NAME, "%s", site->name);
	table_set(line, STATE, "%u of %zu", site->online, site->n_nodes);
	table_colour(line, STATE, site->online == site->n_nodes ? COLOUR_GOOD : COLOUR_BAD);
	table_set(line, DETAIL, "site: nodes online");
	for (size_t i = 0; i < status->n_nodes; i++)
		if (!strcmp(status->nodes[i]->site, site->name))
			add_node(table, line, status, status->nodes[i]);
}

static bool has_owner(const Holdfast__ClusterStatus *status, const Holdfast__GroupStatus *group)
{
	for (size_t i = 0; i < status->n_nodes; i++)
		if (!strcmp(status->nodes[i]->name, group->owner))
			return true;
	return false;
}

static void add_ownerless(struct table *table, const Holdfast__ClusterStatus *status)
{
	struct table_line *line = NULL;

	for (size_t i = 0; i < status->n_groups; i++) {
		if (has_owner(status, status->groups[i]))
			continue;
		if (!line) {
			line = table_add(table, NULL);
			table_set(line, NAME, "-");
			table_set(line, STATE, "-");
			table_set(line, DETAIL, "on no node");
		}
		add_group(table, line, status->groups[i]);
	}
}

static void show_cpu_model(const struct printer *printer, const Holdfast__ClusterStatus *status)
{
	if (!status->cpu_model[0] && !status->cpu_baseline[0])
		return;
	fputs("\nCPU model of new VMs: ", printer->out);
	print_text(printer, status->cpu_model[0] ? status->cpu_model : "what their node gives");
	if (status->cpu_baseline[0] && strcmp(status->cpu_model, status->cpu_baseline) != 0) {
		fputs("; the best that all nodes can run: ", printer->out);
		print_text(printer, status->cpu_baseline);
	}
	fputc('\n', printer->out);
}

// The cluster's problems name those of its nodes and groups too.
static void show_problems(const struct printer *printer, const Holdfast__ClusterStatus *status)
{
	fputs(status->n_problems ? "\nproblems:\n" : "\nno problems\n", printer->out);
	for (size_t i = 0; i < status->n_problems; i++) {
		fputs("  - ", printer->out);
		print_text(printer, status->problems[i]);
		fputc('\n', printer->out);
	}
}

void show_cluster_status(const struct printer *printer, const ProtobufCMessage *message)
{
	static const struct table_column columns[] = { { "NAME", TABLE_TREE }, { "STATE", 0 },
		{ "DETAIL", TABLE_WRAP }, { NULL, 0 } };
	const Holdfast__ClusterStatus *status = (const void *)message;
	struct table *table = table_new(printer, columns);

	show_head(printer, status);
	for (size_t i = 0; i < status->n_sites; i++)
		add_site(table, status, status->sites[i]);
	add_ownerless(table, status);
	table_print(table);
	show_cpu_model(printer, status);
	show_problems(printer, status);
}
