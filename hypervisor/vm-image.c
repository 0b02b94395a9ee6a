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
#include "proto/clone.h"
#include "proto/json.h"

#define SUM_TEXT 65
#define SUMS_LIMIT (16u << 10)
#define VM_LIMIT (1u << 20)
#define CHUNK (1u << 20)
#define DISKS_MAX 16
#define NAME_MAX_BYTES 80

struct summed {
	char name[NAME_MAX_BYTES]; // in the directory
	char sum[SUM_TEXT];
};

struct bundle {
	const char *directory;
	struct summed files[DISKS_MAX + 1];
	size_t count;
	const char *text; // of vm.json, to be written
};

static int file_path(const char *directory, const char *name, char path[1200], struct error *err)
{
	int length = snprintf(path, 1200, "%s/%s", directory, name);
	return length < 0 || length >= 1200
		? error_set(err, ERROR_USAGE, "%.60s... is too long a path", directory)
		: 0;
}

static int open_plain(const char *path, int *fd, struct error *err)
{
	struct stat info;
	cleanup_fd int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (opened < 0 || fstat(opened, &info))
		return error_set_errno(err, errno, "%.300s cannot be opened", path);
	if (!S_ISREG(info.st_mode))
		return error_set(err, ERROR_USAGE, "%.300s is no plain file", path);
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

static int sum_file(const char *directory, struct summed *file, struct error *err)
{
	char path[1200];
	cleanup_fd int fd = -1;
	if (file_path(directory, file->name, path, err) || open_plain(path, &fd, err))
		return -1;
	return sum_of(fd, file->sum, err) ? error_prefix(err, "%.300s", path) : 0;
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

static int make_directory(void *data, struct error *err)
{
	const struct bundle *bundle = data;
	if (bundle->directory[0] != '/' || strlen(bundle->directory) > 1000)
		return error_set(err, ERROR_USAGE,
			"\"%.100s\" is no absolute path: the directory is on the node that has the group",
			bundle->directory);
	if (mkdir(bundle->directory, 0700))
		return error_set_errno(err, errno,
			"%.300s cannot be made: an export has a directory of its own", bundle->directory);
	return 0;
}

static int write_sums(void *data, struct error *err)
{
	struct bundle *bundle = data;
	char path[1200], text[SUMS_LIMIT];
	size_t used = 0;
	if (file_path(bundle->directory, "vm.json", path, err) ||
		file_write_atomic(path, bundle->text, strlen(bundle->text), 0600, err))
		return -1;
	for (size_t i = 0; i < bundle->count; i++) {
		if (sum_file(bundle->directory, &bundle->files[i], err))
			return -1;
		int length = snprintf(text + used, sizeof(text) - used, "%s  %s\n", bundle->files[i].sum,
			bundle->files[i].name);
		if (length < 0 || (size_t)length >= sizeof(text) - used)
			return error_set(err, ERROR_FAILED, "too many files for %s", path);
		used += (size_t)length;
	}
	if (file_path(bundle->directory, "SHA256SUMS", path, err))
		return -1;
	return file_write_atomic(path, text, used, 0600, err);
}

static int take_away(void *data, struct error *err)
{
	const struct bundle *bundle = data;
	char path[1200];
	for (size_t i = 0; i < bundle->count; i++)
		if (!file_path(bundle->directory, bundle->files[i].name, path, err))
			unlink(path);
	return rmdir(bundle->directory) ? error_set_errno(err, errno, "%.300s", bundle->directory) : 0;
}

static int write_all(
	struct disk_work *work, struct bundle *bundle, const struct disk_place *of, struct error *err)
{
	char path[1200];
	Holdfast__Vm *exported = NULL;
	if (clone_exported(of->vm, &exported, err))
		return -1;
	int failed = 0;
	for (size_t i = 0; i < of->vm->n_disks && !failed; i++) {
		const struct disk_place place = { of->group, of->vm, of->vm->disks[i] };
		failed = file_path(bundle->directory, bundle->files[i + 1].name, path, err) ||
			disk_export_to(work, &place, path, HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2, err);
	}
	cleanup_free char *text = failed ? NULL : proto_to_json_text(&exported->base);
	holdfast__vm__free_unpacked(exported, NULL);
	if (!failed && !text)
		return error_set_errno(err, ENOMEM, "a definition");
	bundle->text = text;
	return failed ? -1 : task_offload(write_sums, bundle, err);
}

static int write_bundle(
	struct disk_work *work, struct bundle *bundle, const struct disk_place *of, struct error *err)
{
	struct error ignored = ERROR_INIT;
	if (task_offload(make_directory, bundle, err))
		return -1;
	name_files(bundle, of->vm);
	if (!write_all(work, bundle, of, err))
		return 0;
	bool cancelled = task_cancelled(task_self());
	task_uncancel(task_self());
	if (task_offload(take_away, bundle, &ignored))
		error_prefix(err, "what was written stays in %.200s", bundle->directory);
	if (cancelled)
		task_cancel(task_self());
	return -1;
}

int vm_image_write(
	struct rpc_call *call, struct group *group, const Holdfast__VmExport *wish, struct error *err)
{
	struct disk_work work = { .call = call };
	struct bundle bundle = { .directory = wish->directory };
	struct disk_place of = { NULL };
	struct error failed = ERROR_INIT;
	snprintf(work.text, sizeof(work.text), "export of VM %.60s", wish->name);
	int result = disk_place_vm(group, wish->name, &of, err);
	if (!result)
		result = disk_work_begin(&work, group, of.vm, NULL, err);
	task_unlock(&group->mutex);
	if (!result) {
		if (write_bundle(&work, &bundle, &of, &failed) && !failed.code)
			error_set(&failed, ERROR_FAILED, "the export failed");
		result = disk_work_end(&work, of.vm, NULL, &failed, err);
	}
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
			bundle->directory);
	for (size_t i = 0; i < bundle->count; i++) {
		char line[SUM_TEXT + NAME_MAX_BYTES + 4];
		if (sum_file(bundle->directory, &bundle->files[i], err))
			return -1;
		snprintf(line, sizeof(line), "%s  %s\n", bundle->files[i].sum, bundle->files[i].name);
		if (!strstr(sums, line))
			return error_set(err, ERROR_USAGE,
				"%.200s/%s is damaged or truncated: its sum is not the one in SHA256SUMS",
				bundle->directory, bundle->files[i].name);
	}
	return 0;
}

struct reading {
	const char *directory;
	Holdfast__Vm *vm;
};

static int read_bundle(void *data, struct error *err)
{
	struct reading *reading = data;
	struct bundle bundle = { .directory = reading->directory };
	char path[1200];
	cleanup_free char *sums = NULL, *text = NULL;
	if (reading->directory[0] != '/')
		return error_set(err, ERROR_USAGE, "\"%.100s\" is no absolute path", reading->directory);
	if (file_path(reading->directory, "SHA256SUMS", path, err) ||
		file_read(path, SUMS_LIMIT, &sums, NULL, err))
		return error_prefix(err, "no complete export");
	if (file_path(reading->directory, "vm.json", path, err) ||
		file_read(path, VM_LIMIT, &text, NULL, err))
		return -1;
	ProtobufCMessage *message = proto_from_json_text(&holdfast__vm__descriptor, text, err);
	if (!message)
		return error_prefix(err, "%.300s is damaged", path);
	Holdfast__Vm *vm = (Holdfast__Vm *)message;
	int failed =
		vm->n_disks > DISKS_MAX ? error_set(err, ERROR_USAGE, "%.300s has too many disks", path) : 0;
	for (size_t i = 0; i < vm->n_disks && !failed; i++)
		failed = name_check("disk", vm->disks[i]->name, err);
	if (!failed) {
		name_files(&bundle, vm);
		failed = check_sums(&bundle, sums, err);
	}
	if (failed)
		holdfast__vm__free_unpacked(vm, NULL);
	else
		reading->vm = vm;
	return failed ? -1 : 0;
}

int vm_image_read(const char *directory, Holdfast__Vm **vm, struct error *err)
{
	struct reading reading = { .directory = directory };
	if (task_offload(read_bundle, &reading, err))
		return -1;
	*vm = reading.vm;
	return 0;
}

struct opening {
	const char *directory, *disk;
	int fd;
};

static int open_disk(void *data, struct error *err)
{
	struct opening *opening = data;
	char name[NAME_MAX_BYTES], path[1200];
	snprintf(name, sizeof(name), "%.63s.qcow2", opening->disk);
	return file_path(opening->directory, name, path, err) || open_plain(path, &opening->fd, err) ? -1 : 0;
}

int vm_image_open(const char *directory, const char *disk, int *fd, struct error *err)
{
	struct opening opening = { directory, disk, -1 };
	if (task_offload(open_disk, &opening, err))
		return -1;
	*fd = opening.fd;
	return 0;
}
