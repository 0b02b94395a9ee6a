// SPDX-License-Identifier: GPL-3.0-or-later
// Ranks QEMU's CPU models by what they have; models of both makers are in one row, since a cluster of both can only share the oldest. What is not in
// the row (32 bits, one machine's own) is never chosen by itself.
#include "clusterd/cpu-baseline.h"

#include <string.h>

static const char *const ranking[] = {
	// the best last
	"qemu64",
	"kvm64",
	"Opteron_G1",
	"Conroe",
	"Opteron_G2",
	"Penryn",
	"Opteron_G3",
	"Nehalem",
	"Nehalem-IBRS",
	"Westmere",
	"Westmere-IBRS",
	"Opteron_G4",
	"Opteron_G5",
	"SandyBridge",
	"SandyBridge-IBRS",
	"IvyBridge",
	"IvyBridge-IBRS",
	"Haswell-noTSX",
	"Haswell-noTSX-IBRS",
	"Broadwell-noTSX",
	"Broadwell-noTSX-IBRS",
	"EPYC",
	"EPYC-IBPB",
	"Skylake-Client-noTSX-IBRS",
	"Skylake-Server-noTSX-IBRS",
	"Cascadelake-Server-noTSX",
	"EPYC-Rome",
	"Icelake-Server-noTSX",
	"EPYC-Milan",
	"SapphireRapids",
	"EPYC-Genoa",
};

#define RANKED (sizeof(ranking) / sizeof(ranking[0]))

static bool among(char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

const char *cpu_baseline_best(char *const *names, size_t count)
{
	for (size_t i = RANKED; i > 0; i--)
		if (among(names, count, ranking[i - 1]))
			return ranking[i - 1];
	return NULL;
}

bool cpu_baseline_can(const Holdfast__HostStatus *host, const char *model)
{
	return among(host->cpu_models, host->n_cpu_models, model);
}

static bool all_can(const struct status_input *in, const char *model)
{
	bool any = false;

	for (size_t i = 0; i < in->host_count; i++) {
		const Holdfast__HostStatus *host = in->hosts[i].status;
		if (!host || !host->n_cpu_models)
			continue;
		if (!cpu_baseline_can(host, model))
			return false;
		any = true;
	}
	return any;
}

const char *cpu_baseline_of(const struct status_input *in)
{
	for (size_t i = RANKED; i > 0; i--)
		if (all_can(in, ranking[i - 1]))
			return ranking[i - 1];
	return NULL;
}

// Every node of the cluster has said its models.
static int all_have_said(const struct status_input *in, struct error *err)
{
	for (size_t i = 0; in->cib && i < in->cib->node_count; i++) {
		const char *node = in->cib->nodes[i].node->name;
		const struct status_host *host = status_host_of(in, node);

		if (!host || !host->status || !host->status->n_cpu_models)
			return error_set(err, ERROR_UNREACHABLE,
				"node %s has not said which CPU models it can run: all nodes must be online "
				"for this, with "
				"this version",
				node);
	}
	return 0;
}

int cpu_baseline_choose(
	const struct status_input *in, const char *wish, const char **model, struct error *err)
{
	*model = wish;
	if (!strcmp(wish, "host"))
		return 0;
	if (all_have_said(in, err) < 0)
		return -1;
	if (!strcmp(wish, "baseline")) {
		*model = cpu_baseline_of(in);
		return *model ? 0
			      : error_set(err, ERROR_FAILED, "there is no CPU model that all nodes can run");
	}
	for (size_t i = 0; i < in->host_count; i++) {
		const Holdfast__HostStatus *host = in->hosts[i].status;
		if (!host || cpu_baseline_can(host, wish))
			continue;
		const char *best = cpu_baseline_best(host->cpu_models, host->n_cpu_models);
		return error_set(err, ERROR_FAILED,
			"node %s cannot run the CPU model %.63s; the best that it can is %s: see 'holdfast "
			"node show %s'",
			in->hosts[i].node, wish, best ? best : "none", in->hosts[i].node);
	}
	return 0;
}
