// SPDX-License-Identifier: GPL-3.0-or-later
// See files.h. Each file is asked for once, however many VMs need it.
#include "clusterd/files.h"

#include <glib.h>
#include <string.h>

#include "clusterd/forward.h"
#include "common/cleanup.h"
#include "proto/files.h"

static guint wish_hash(gconstpointer data)
{
	return g_str_hash(((const Holdfast__FileWish *)data)->path);
}

static gboolean wish_equal(gconstpointer a, gconstpointer b)
{
	const Holdfast__FileWish *one = a, *other = b;

	return !strcmp(one->path, other->path) && one->parent == other->parent && one->format == other->format;
}

// FILES: wish -> itself, which the table frees; strings are the definition's.
static void add_vm(GHashTable *files, const Holdfast__Vm *vm)
{
	size_t count;
	cleanup_free Holdfast__FileWish *wishes = files_of(vm, &count);

	for (size_t i = 0; i < count; i++)
		if (!g_hash_table_contains(files, &wishes[i]))
			g_hash_table_add(files, g_memdup2(&wishes[i], sizeof(wishes[i])));
}

static GHashTable *files_new(void)
{
	return g_hash_table_new_full(wish_hash, wish_equal, g_free, NULL);
}

static int ask(struct clusterd *cd, const char *node, GHashTable *files, unsigned timeout_ms, Holdfast__Reply **reply,
	struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__FileCheck check = HOLDFAST__FILE_CHECK__INIT;
	guint count;
	g_autofree gpointer *wishes = g_hash_table_get_keys_as_array(files, &count);

	check.files = (Holdfast__FileWish **)wishes;
	check.n_files = count;
	request.body_case = HOLDFAST__REQUEST__BODY_FILE_CHECK;
	request.timeout_ms = timeout_ms;
	request.file_check = &check;
	if (host_call(cd, node, &request, timeout_ms, NULL, NULL, reply, err) < 0)
		return -1;
	if ((*reply)->body_case == HOLDFAST__REPLY__BODY_FILES_MISSING)
		return 0;
	holdfast__reply__free_unpacked(*reply, NULL);
	return error_set(err, ERROR_PROTOCOL, "node %s did not answer what files it lacks", node);
}

int files_check_vm(
	struct clusterd *cd, const char *node, const Holdfast__Vm *vm, unsigned timeout_ms, struct error *err)
{
	g_autoptr(GHashTable) files = files_new();
	Holdfast__Reply *reply;

	add_vm(files, vm);
	if (g_hash_table_size(files) == 0)
		return 0;
	if (ask(cd, node, files, timeout_ms, &reply, err) < 0)
		return -1;
	const Holdfast__FilesMissing *missing = reply->files_missing;
	int result = missing->n_files ? error_set(err, ERROR_FAILED, "VM %s: %s", vm->name, missing->files[0]->text) : 0;
	holdfast__reply__free_unpacked(reply, NULL);
	return result;
}

static bool may_own(const Holdfast__Group *group, const char *node)
{
	for (size_t i = 0; i < group->n_possible; i++)
		if (!strcmp(group->possible[i], node))
			return true;
	return false;
}

int files_add_missing(struct clusterd *cd, const char *node, const struct cib_snapshot *cib,
	Holdfast__HostStatus *status, unsigned timeout_ms, struct error *err)
{
	g_autoptr(GHashTable) files = files_new();
	Holdfast__Reply *reply;

	for (size_t i = 0; i < cib->group_count; i++) {
		const Holdfast__GroupSpec *spec = cib->groups[i].spec;
		for (size_t k = 0; may_own(spec->group, node) && k < spec->n_vms; k++)
			add_vm(files, spec->vms[k]);
	}
	if (g_hash_table_size(files) == 0)
		return 0;
	if (ask(cd, node, files, timeout_ms, &reply, err) < 0)
		return -1;
	// Taken over as it is.
	Holdfast__FilesMissing *missing = reply->files_missing;
	status->missing_files = steal_ptr(missing->files);
	status->n_missing_files = missing->n_files;
	missing->n_files = 0;
	holdfast__reply__free_unpacked(reply, NULL);
	return 0;
}
