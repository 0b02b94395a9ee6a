// SPDX-License-Identifier: GPL-3.0-or-later
// See cpu-check.h. Under KVM this is what the processor has; under TCG what QEMU can imitate, which differs between its versions.
#include "migrate/cpu-check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"

#define QUERY_MS 30000u

// As qemu-args.c chooses it; QEMU's own default is qemu64.
static const char *model_of(const Holdfast__Vm *vm)
{
	return vm->cpu_model[0] ? vm->cpu_model : vm->bits == 32 ? "qemu32" : "qemu64";
}

// "Haswell" is the definition of that name; what follows the first comma of a model are single features.
static bool names_model(const char *definition, const char *model)
{
	size_t length = strcspn(model, ",");

	return strlen(definition) == length && strncmp(definition, model, length) == 0;
}

static char *join(const json_t *list)
{
	char *text = NULL;
	size_t bytes = 0, index;
	const json_t *word;
	FILE *stream = open_memstream(&text, &bytes);

	if (!stream)
		return NULL;
	json_array_foreach (list, index, word)
		fprintf(stream, "%s%s", index ? "," : "",
			json_string_value(word) ? json_string_value(word) : "");
	fclose(stream);
	return text;
}

char *cpu_unavailable_in(const json_t *definitions, const char *model)
{
	const json_t *definition;
	size_t index;

	json_array_foreach (definitions, index, definition) {
		const char *name = json_string_value(json_object_get(definition, "name"));
		if (name && names_model(name, model))
			return join(json_object_get(definition, "unavailable-features"));
	}
	return strdup("");
}

char *cpu_unavailable(struct vm *vm, struct error *err)
{
	json_t *definitions = NULL;

	if (qmp_command(vm_qmp(vm), "query-cpu-definitions", NULL, QUERY_MS, &definitions, err) < 0)
		return NULL;
	char *words = cpu_unavailable_in(definitions, model_of(vm_definition(vm)));
	json_decref(definitions);
	if (!words)
		error_set(err, ERROR_NO_SPACE, "no memory for the CPU model of VM %s", vm_name(vm));
	return words;
}

static bool among(const char *list, const char *word, size_t length)
{
	for (const char *at = list; *at; at += strspn(at, ",")) {
		size_t here = strcspn(at, ",");
		if (here == length && strncmp(at, word, length) == 0)
			return true;
		at += here;
	}
	return false;
}

bool cpu_lost(const char *there, const char *here, char *lost, size_t size)
{
	size_t used = 0;

	lost[0] = '\0';
	for (const char *at = here; *at; at += strspn(at, ",")) {
		size_t length = strcspn(at, ",");
		if (!among(there, at, length) && used + length + 2 < size)
			used += (size_t)snprintf(
				lost + used, size - used, "%s%.*s", used ? " " : "", (int)length, at);
		at += length;
	}
	return used > 0;
}
