// SPDX-License-Identifier: GPL-3.0-or-later
// Asks a QEMU without a machine, with the accelerator that guests get, once at hypervisord's start. Models that are no processor of their own (host,
// max, base) and versions of one model are left out. Knows nothing of the cluster.
#include "hypervisor/cpu-models.h"
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/spawn.h"
#include "hypervisor/group.h"

#define QUERY_MS 60000

// "Nehalem-v1" is one of Nehalem's versions.
static bool is_version(const char *name)
{
	const char *dash = strrchr(name, '-');
	return dash && dash[1] == 'v' && isdigit((unsigned char)dash[2]);
}

static bool is_model(const char *name)
{
	return strcmp(name, "host") && strcmp(name, "max") && strcmp(name, "base") && !is_version(name);
}

static int take(struct cpu_models *models, const json_t *definitions, struct error *err)
{
	const json_t *definition;
	size_t index;
	models->names = calloc(json_array_size(definitions) + 1, sizeof(char *));
	if (!models->names)
		return error_set(err, ERROR_FAILED, "no memory for the CPU models");
	json_array_foreach (definitions, index, definition) {
		const char *name = json_string_value(json_object_get(definition, "name"));
		const json_t *lacks = json_object_get(definition, "unavailable-features");
		if (!name || !is_model(name) || !json_is_array(lacks) || json_array_size(lacks) > 0)
			continue;
		if (!(models->names[models->count] = strdup(name)))
			return error_set(err, ERROR_FAILED, "no memory for the CPU models");
		models->count++;
	}
	return 0;
}

int cpu_models_parse(const char *output, struct cpu_models *models, struct error *err)
{
	for (const char *line = output; *line; line += strspn(line, "\r\n")) {
		size_t length = strcspn(line, "\r\n");
		json_t *json = json_loadb(line, length, 0, NULL);
		const json_t *result = json_object_get(json, "return");
		bool found = json_is_array(result);
		int failed = found ? take(models, result, err) : 0;
		json_decref(json);
		if (found)
			return failed;
		line += length;
	}
	return error_set(err, ERROR_PROTOCOL, "QEMU did not say its CPU models");
}

void cpu_models_done(struct cpu_models *models)
{
	for (size_t i = 0; i < models->count; i++)
		free(models->names[i]);
	free(models->names);
	*models = (struct cpu_models){ .count = 0 };
}

static void find_task(void *data)
{
	static const char questions[] = "{\"execute\":\"qmp_capabilities\"}\n"
					"{\"execute\":\"query-cpu-definitions\"}\n"
					"{\"execute\":\"quit\"}\n";
	struct hypervisor *hv = data;
	struct error err = ERROR_INIT;
	struct spawn_output output;
	struct cpu_models models = { .count = 0 };
	const char *const argv[] = { hv->config.qemu, "-M", "none", "-accel", hv->kvm ? "kvm" : "tcg",
		"-nodefaults", "-no-user-config", "-display", "none", "-S", "-qmp", "stdio", NULL };
	int failed = spawn_run_input(argv, questions, QUERY_MS, &output, &err);
	if (!failed)
		failed = cpu_models_parse(output.out, &models, &err);
	spawn_output_done(&output);
	if (failed) {
		log_warning("it is not known which CPU models guests can have here: %s", err.message);
		cpu_models_done(&models);
		return;
	}
	cpu_models_done(&hv->cpu_models);
	hv->cpu_models = models;
	log_debug("guests can have %zu of QEMU's CPU models", models.count);
}

void cpu_models_find(struct hypervisor *hv)
{
	struct error err = ERROR_INIT;
	if (!task_start(hv->loop, "cpu-models", find_task, hv, &err))
		log_warning("it is not known which CPU models guests can have here: %s", err.message);
}
