// SPDX-License-Identifier: GPL-3.0-or-later
// Sums are computed on worker threads, of the very files that are used.
#include "hypervisor/vm-image.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/name.h"
#include "hypervisor/image-place.h"
#include "proto/clone.h"
#include "proto/json.h"

#define SUM_TEXT 65
#define SUMS_LIMIT (16u << 10)
#define VM_LIMIT (1u << 20)
#define CHUNK (1u << 20)
#define DISKS_MAX 16
#define NAME_MAX_BYTES 80
#define IN_PATH (NAME_MAX_BYTES + 40)

struct summed {
	char name[NAME_MAX_BYTES]; // in the directory
	char sum[SUM_TEXT];
};

// Everything in it is reached through its descriptor: nobody can put another directory in its place meanwhile.
struct bundle {
	const char *path; // for messages
	int fd;
	struct summed files[DISKS_MAX + 1];
	size_t count;
	const char *text; // of vm.json, to be written
};

// For functions that take no descriptor.
static void file_path(const struct bundle *bundle, const char *name, char path[IN_PATH])
{
	snprintf(path, IN_PATH, "/proc/self/fd/%d/%s", bundle->fd, name);
}

static int open_plain(const struct bundle *bundle, const char *name, int *fd, struct error *err)
{
	struct stat info;
	cleanup_fd int opened = openat(bundle->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (opened < 0 || fstat(opened, &info))
		return error_set_errno(err, errno, "%.300s/%s cannot be opened", bundle->path, name);
	if (!S_ISREG(info.st_mode))
		return error_set(err, ERROR_USAGE, "%.300s/%s is no plain file", bundle->path, name);
	*fd = steal_fd(&opened);
	return 0;
}

static int sum_of(int fd, char sum[SUM_TEXT], struct error *err)
{
	cleanup_free uint8_t *bytes = malloc(CHUNK);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	ssize_t count = -1;
	bool good = bytes && context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
	for (off_t at = 0; good && (count = pread(fd, bytes, CHUNK, at)) > 0; at += count)
		good = EVP_DigestUpdate(context, bytes, (size_t)count);
	good = good && count == 0 && EVP_DigestFinal_ex(context, digest, &length) && length == 32;
	EVP_MD_CTX_free(context);
	if (!good)
		return error_set_errno(err, count < 0 && errno ? errno : EIO, "its sum cannot be computed");
	for (unsigned i = 0; i < length; i++)
		snprintf(sum + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int sum_file(const struct bundle *bundle, struct summed *file, struct error *err)
{
	cleanup_fd int fd = -1;
	if (open_plain(bundle, file->name, &fd, err))
		return -1;
	return sum_of(fd, file->sum, err) ? error_prefix(err, "%.300s/%s", bundle->path, file->name) : 0;
}

static void add_file(struct bundle *bundle, const char *format, const char *name)
{
	struct summed *file = &bundle->files[bundle->count++];
	snprintf(file->name, sizeof(file->name), format, name);
}

static void name_files(struct bundle *bundle, const Holdfast__Vm *vm)
{
	add_file(bundle, "%s", "vm.json");
	for (size_t i = 0; i < vm->n_disks && i < DISKS_MAX; i++)
		add_file(bundle, "%.63s.qcow2", vm->disks[i]->name);
}

// ---- writing

struct making {
	const struct hypervisor *hv;
	struct bundle *bundle;
	struct image_place *place; // of the directory
};

static int make_directory(void *data, struct error *err)
{
	const struct making *making = data;
	struct bundle *bundle = making->bundle;
	const struct image_place *place = making->place;
	if (image_place_find(making->hv, bundle->path, making->place, err))
		return -1;
	if (mkdirat(place->directory, place->name, 0700))
		return error_set_errno(err, errno,
			"%.300s cannot be made: an export has a directory of its own", bundle->path);
	bundle->fd = openat(place->directory, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return bundle->fd < 0 ? error_set_errno(err, errno, "%.300s", bundle->path) : 0;
}

static int write_sums(void *data, struct error *err)
{
	struct bundle *bundle = data;
	char path[IN_PATH], text[SUMS_LIMIT];
	size_t used = 0;
	file_path(bundle, "vm.json", path);
	if (file_write_atomic(path, bundle->text, strlen(bundle->text), 0600, err))
		return error_prefix(err, "%.300s", bundle->path);
	for (size_t i = 0; i < bundle->count; i++) {
		if (sum_file(bundle, &bundle->files[i], err))
			return -1;
		int length = snprintf(text + used, sizeof(text) - used, "%s  %s\n", bundle->files[i].sum,
			bundle->files[i].name);
		if (length < 0 || (size_t)length >= sizeof(text) - used)
			return error_set(err, ERROR_FAILED, "too many files for %.300s", bundle->path);
		used += (size_t)length;
	}
	file_path(bundle, "SHA256SUMS", path);
	return file_write_atomic(path, text, used, 0600, err) ? error_prefix(err, "%.300s", bundle->path) : 0;
}

static int take_away(void *data, struct error *err)
{
	const struct making *making = data;
	const struct bundle *bundle = making->bundle;
	for (size_t i = 0; bundle->fd >= 0 && i < bundle->count; i++)
		unlinkat(bundle->fd, bundle->files[i].name, 0);
	return unlinkat(making->place->directory, making->place->name, AT_REMOVEDIR)
		? error_set_errno(err, errno, "%.300s", bundle->path)
		: 0;
}

static int write_all(
	struct disk_work *work, struct bundle *bundle, const struct disk_place *of, struct error *err)
{
	Holdfast__Vm *exported = NULL;
	if (clone_exported(of->vm, &exported, err))
		return -1;
	int failed = 0;
	for (size_t i = 0; i < of->vm->n_disks && !failed; i++) {
		const struct disk_place place = { of->group, of->vm, of->vm->disks[i] };
		struct image_place to = { .directory = bundle->fd, .path = bundle->path };
		snprintf(to.name, sizeof(to.name), "%s", bundle->files[i + 1].name);
		failed = disk_export_to(work, &place, &to, HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2, err);
	}
	cleanup_free char *text = failed ? NULL : proto_to_json_text(&exported->base);
	holdfast__vm__free_unpacked(exported, NULL);
	if (!failed && !text)
		return error_set_errno(err, ENOMEM, "a definition");
	bundle->text = text;
	return failed ? -1 : task_offload(write_sums, bundle, err);
}

static int write_bundle(
	struct disk_work *work, struct making *making, const struct disk_place *of, struct error *err)
{
	struct bundle *bundle = making->bundle;
	struct error ignored = ERROR_INIT;
	if (task_offload(make_directory, making, err))
		return -1;
	name_files(bundle, of->vm);
	if (!write_all(work, bundle, of, err))
		return 0;
	bool cancelled = task_cancelled(task_self());
	task_uncancel(task_self());
	if (task_offload(take_away, making, &ignored))
		error_prefix(err, "what was written stays in %.200s", bundle->path);
	if (cancelled)
		task_cancel(task_self());
	return -1;
}

int vm_image_write(
	struct rpc_call *call, struct group *group, const Holdfast__VmExport *wish, struct error *err)
{
	struct disk_work work = { .call = call };
	struct bundle bundle = { .path = wish->directory, .fd = -1 };
	struct image_place place = { .directory = -1 };
	struct making making = { group->hv, &bundle, &place };
	struct disk_place of = { NULL };
	struct error failed = ERROR_INIT;
	snprintf(work.text, sizeof(work.text), "export of VM %.60s", wish->name);
	int result = disk_place_vm(group, wish->name, &of, err);
	if (!result)
		result = disk_work_begin(&work, group, of.vm, NULL, err);
	task_unlock(&group->mutex);
	if (!result) {
		if (write_bundle(&work, &making, &of, &failed) && !failed.code)
			error_set(&failed, ERROR_FAILED, "the export failed");
		result = disk_work_end(&work, of.vm, NULL, &failed, err);
	}
	cleanup_fd_p(&bundle.fd);
	image_place_done(&place);
	disk_place_done(&of);
	return result;
}

// ---- reading

static int check_sums(struct bundle *bundle, const char *sums, struct error *err)
{
	size_t lines = 0;
	for (const char *c = sums; *c; c++)
		lines += *c == '\n';
	if (lines != bundle->count || !lines || sums[strlen(sums) - 1] != '\n')
		return error_set(err, ERROR_USAGE,
			"%.200s/SHA256SUMS has not the files of this VM: it is truncated or of another",
			bundle->path);
	for (size_t i = 0; i < bundle->count; i++) {
		char line[SUM_TEXT + NAME_MAX_BYTES + 4];
		if (sum_file(bundle, &bundle->files[i], err))
			return -1;
		snprintf(line, sizeof(line), "%s  %s\n", bundle->files[i].sum, bundle->files[i].name);
		if (!strstr(sums, line))
			return error_set(err, ERROR_USAGE,
				"%.200s/%s is damaged or truncated: its sum is not the one in SHA256SUMS",
				bundle->path, bundle->files[i].name);
	}
	return 0;
}

struct reading {
	const struct hypervisor *hv;
	const char *path;
	Holdfast__Vm *vm;
};

static int open_bundle(const struct hypervisor *hv, struct bundle *bundle, struct error *err)
{
	struct image_place place;
	int failed = image_place_find(hv, bundle->path, &place, err);
	if (!failed) {
		bundle->fd = openat(
			place.directory, place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (bundle->fd < 0)
			failed = error_set_errno(err, errno, "%.300s cannot be opened", bundle->path);
	}
	image_place_done(&place);
	return failed;
}

static int read_vm(struct bundle *bundle, Holdfast__Vm **found, struct error *err)
{
	char path[IN_PATH];
	cleanup_free char *sums = NULL, *text = NULL;
	struct error why = ERROR_INIT;
	file_path(bundle, "SHA256SUMS", path);
	if (file_read(path, SUMS_LIMIT, &sums, NULL, &why))
		return error_set(
			err, why.code, "%.300s is no complete export: its SHA256SUMS cannot be read", bundle->path);
	file_path(bundle, "vm.json", path);
	if (file_read(path, VM_LIMIT, &text, NULL, err))
		return error_prefix(err, "%.300s", bundle->path);
	ProtobufCMessage *message = proto_from_json_text(&holdfast__vm__descriptor, text, err);
	if (!message)
		return error_prefix(err, "%.300s/vm.json is damaged", bundle->path);
	Holdfast__Vm *vm = (Holdfast__Vm *)message;
	int failed = vm->n_disks > DISKS_MAX
		? error_set(err, ERROR_USAGE, "%.300s/vm.json has too many disks", bundle->path)
		: 0;
	for (size_t i = 0; i < vm->n_disks && !failed; i++)
		failed = name_check("disk", vm->disks[i]->name, err);
	if (!failed) {
		name_files(bundle, vm);
		failed = check_sums(bundle, sums, err);
	}
	if (failed)
		holdfast__vm__free_unpacked(vm, NULL);
	else
		*found = vm;
	return failed ? -1 : 0;
}

static int read_bundle(void *data, struct error *err)
{
	struct reading *reading = data;
	struct bundle bundle = { .path = reading->path, .fd = -1 };
	int failed = open_bundle(reading->hv, &bundle, err) || read_vm(&bundle, &reading->vm, err);
	cleanup_fd_p(&bundle.fd);
	return failed ? -1 : 0;
}

int vm_image_read(const struct hypervisor *hv, const char *directory, Holdfast__Vm **vm, struct error *err)
{
	struct reading reading = { hv, directory, NULL };
	if (task_offload(read_bundle, &reading, err))
		return -1;
	*vm = reading.vm;
	return 0;
}

struct opening {
	const struct hypervisor *hv;
	const char *path, *disk;
	int fd;
};

static int open_disk(void *data, struct error *err)
{
	struct opening *opening = data;
	struct bundle bundle = { .path = opening->path, .fd = -1 };
	char name[NAME_MAX_BYTES];
	snprintf(name, sizeof(name), "%.63s.qcow2", opening->disk);
	int failed = open_bundle(opening->hv, &bundle, err) || open_plain(&bundle, name, &opening->fd, err);
	cleanup_fd_p(&bundle.fd);
	return failed ? -1 : 0;
}

int vm_image_open(const struct hypervisor *hv, const char *directory, const char *disk, int *fd, struct error *err)
{
	struct opening opening = { hv, directory, disk, -1 };
	if (task_offload(open_disk, &opening, err))
		return -1;
	*fd = opening.fd;
	return 0;
}
