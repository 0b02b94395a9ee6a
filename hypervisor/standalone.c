// SPDX-License-Identifier: GPL-3.0-or-later
// A single machine without a cluster: the definitions of groups in STATE/groups/G.json and whether each should be online in STATE/groups/G.wanted.
// There is no Pacemaker here, so hypervisord itself starts at boot what was online before. In a cluster nothing here does anything.
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/name.h"
#include "hypervisor/clock.h"
#include "hypervisor/standalone.h"
#include "proto/json.h"

#define SPEC_LIMIT (1u << 20)
#define STOP_MS 600000

static int path_of(
	const struct hypervisor *hv, const char *group, const char *suffix, char path[512], struct error *err)
{
	int length = snprintf(path, 512, "%s/groups/%s%s", hv->state_directory, group, suffix);
	return length < 0 || length >= 512
		? error_set(err, ERROR_USAGE, "%s is too long a path", hv->state_directory)
		: 0;
}

static int make_directory(const struct hypervisor *hv, struct error *err)
{
	char path[512];
	return path_of(hv, "", "", path, err) ? -1 : file_make_directory(path, 0700, err);
}

int standalone_keep(struct group *group, struct error *err)
{
	char path[512];
	if (!group->hv->standalone)
		return 0;
	cleanup_free char *text = proto_to_json_text(&group->spec->base);
	if (!text)
		return error_set(err, ERROR_FAILED, "no memory for group %s", group->name);
	if (make_directory(group->hv, err) || path_of(group->hv, group->name, ".json", path, err))
		return -1;
	return file_write_atomic(path, text, strlen(text), 0600, err);
}

int standalone_want(struct group *group, enum wanted wanted, struct error *err)
{
	const char *word = wanted == WANTED_STARTED ? "started\n" : "stopped\n";
	char path[512];
	if (make_directory(group->hv, err) || path_of(group->hv, group->name, ".wanted", path, err))
		return -1;
	return file_write_atomic(path, word, strlen(word), 0600, err);
}

int standalone_forget(struct hypervisor *hv, const char *group, struct error *err)
{
	char path[512];
	if (path_of(hv, group, ".wanted", path, err) || file_remove(path, err))
		return -1;
	return path_of(hv, group, ".json", path, err) ? -1 : file_remove(path, err);
}

static bool was_started(struct hypervisor *hv, const char *group)
{
	char path[512];
	cleanup_free char *text = NULL;
	return !path_of(hv, group, ".wanted", path, NULL) && !file_read(path, 64, &text, NULL, NULL) &&
		!strcmp(text, "started\n");
}

int standalone_start(struct group *group, struct error *err)
{
	Holdfast__HostGroupStart start = HOLDFAST__HOST_GROUP_START__INIT;
	start.generation = clock_real_ms();
	// A clock that went back must not make every order an old one.
	if (start.generation <= group->generation)
		start.generation = group->generation + 1;
	if (standalone_want(group, WANTED_STARTED, err))
		return -1;
	if (!group_start(group, &start, NULL, err))
		return 0;
	if (standalone_want(group, WANTED_STOPPED, NULL))
		log_error("group=%s what is wanted of it could not be written", group->name);
	return -1;
}

int standalone_stop(struct group *group, struct error *err)
{
	uint64_t generation = clock_real_ms();
	if (generation <= group->generation)
		generation = group->generation + 1;
	if (standalone_want(group, WANTED_STOPPED, err))
		return -1;
	return group_stop(group, generation, STOP_MS, err);
}

// ---- at start

static int load_one(struct hypervisor *hv, const char *name, struct error *err)
{
	char path[512];
	cleanup_free char *text = NULL;
	if (group_find(hv, name))
		return 0; // its guests were taken up again
	if (path_of(hv, name, ".json", path, err) || file_read(path, SPEC_LIMIT, &text, NULL, err))
		return -1;
	ProtobufCMessage *spec = proto_from_json_text(&holdfast__group_spec__descriptor, text, err);
	if (!spec)
		return error_prefix(err, "%s", path);
	struct group *group = group_adopt(hv, (Holdfast__GroupSpec *)spec, err);
	protobuf_c_message_free_unpacked(spec, NULL);
	return group ? 0 : error_prefix(err, "%s", path);
}

static bool has_guests(const struct group *group)
{
	for (size_t i = 0; i < group->vm_count; i++)
		if (vm_has_process(group->vms[i]))
			return true;
	return false;
}

// The machine was booted (no wanted state is left of before): what was online is started. A stop that was interrupted is carried on.
static void carry_on(struct hypervisor *hv, const char *name)
{
	struct error err = ERROR_INIT;
	struct group *group = group_find(hv, name);
	if (!group || task_lock(&group->mutex, STOP_MS, &err))
		return;
	enum wanted wanted = group_wanted(group);
	int failed = 0;
	if (wanted == WANTED_UNKNOWN && was_started(hv, name))
		failed = standalone_start(group, &err);
	else if (wanted == WANTED_STOPPED && has_guests(group))
		failed = standalone_stop(group, &err);
	if (failed)
		log_error("group=%s %s", name, err.message);
	task_unlock(&group->mutex);
}

int standalone_load(struct hypervisor *hv, struct error *err)
{
	char path[512];
	struct dirent **found = NULL;
	if (path_of(hv, "", "", path, err))
		return -1;
	int count = scandir(path, &found, NULL, alphasort);
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < count; i++) {
			char *suffix = strrchr(found[i]->d_name, '.');
			char name[64] = "";
			if (!suffix || strcmp(suffix, ".json") ||
				(size_t)(suffix - found[i]->d_name) >= sizeof(name))
				continue;
			memcpy(name, found[i]->d_name, (size_t)(suffix - found[i]->d_name));
			struct error local = ERROR_INIT;
			if (!name_valid(name))
				continue;
			if (pass == 1)
				carry_on(hv, name);
			else if (load_one(hv, name, &local))
				log_error("group=%s is not known here: %s", name, local.message);
		}
	}
	for (int i = 0; i < count; i++)
		free(found[i]);
	free(found);
	return 0;
}
