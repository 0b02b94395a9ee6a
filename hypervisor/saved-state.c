// SPDX-License-Identifier: GPL-3.0-or-later
// Saved states as files. What is renamed is synced with its directory before anybody acts on it. Knows no QEMU.
#include "hypervisor/saved-state.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/file.h"

#define SAVED_PATH 4096

int saved_path(
	const struct saved_state *state, const char *suffix, char *path, size_t size, struct error *err)
{
	int length = snprintf(path, size, "%s/%s.%s", state->directory, state->vm, suffix);
	if (length < 0 || (size_t)length >= size)
		return error_set(
			err, ERROR_FAILED, "the path of the saved state of VM %s is too long", state->vm);
	return 0;
}

int saved_generation(const struct saved_state *state, uint64_t *generation, struct error *err)
{
	char path[SAVED_PATH];
	cleanup_free char *text = NULL;
	struct error local = ERROR_INIT;
	*generation = 0;
	if (saved_path(state, "generation", path, sizeof(path), err))
		return -1;
	if (file_read(path, 64, &text, NULL, &local))
		return local.code == ERROR_NOT_FOUND ? 0 : error_copy(err, &local);
	if (sscanf(text, "%" SCNu64, generation) != 1)
		return error_set(err, ERROR_UNSAFE, "%s is damaged", path);
	return 0;
}

int saved_generation_next(const struct saved_state *state, uint64_t *generation, struct error *err)
{
	char path[SAVED_PATH], text[32];
	if (saved_generation(state, generation, err) ||
		saved_path(state, "generation", path, sizeof(path), err))
		return -1;
	int length = snprintf(text, sizeof(text), "%" PRIu64 "\n", ++*generation);
	return file_write_atomic(path, text, (size_t)length, 0600, err);
}

static int sync_directory(const struct saved_state *state, struct error *err)
{
	cleanup_fd int fd = open(state->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		return error_set_errno(err, errno, "cannot sync %s", state->directory);
	return 0;
}

static int rename_to(const struct saved_state *state, const char *from, const char *to, struct error *err)
{
	char old[SAVED_PATH], new[SAVED_PATH];
	if (saved_path(state, from, old, sizeof(old), err) || saved_path(state, to, new, sizeof(new), err))
		return -1;
	if (rename(old, new))
		return error_set_errno(err, errno, "cannot rename %s", old);
	return sync_directory(state, err);
}

int saved_finish(const struct saved_state *state, int fd, const struct save_header *header, struct error *err)
{
	uint8_t bytes[SAVE_HEADER_BYTES] __attribute__((aligned(SAVE_HEADER_BYTES))); // for direct I/O
	if (save_header_encode(header, bytes, err))
		return -1;
	if (pwrite(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) || fsync(fd))
		return error_set_errno(err, errno, "cannot write the head of the saved state");
	return rename_to(state, "saving", "saved", err);
}

int saved_open(const struct saved_state *state, struct save_header *header, int *fd, struct error *err)
{
	char path[SAVED_PATH];
	uint8_t bytes[SAVE_HEADER_BYTES];
	if (saved_path(state, "saved", path, sizeof(path), err))
		return -1;
	cleanup_fd int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0 && errno == ENOENT)
		return error_set(err, ERROR_NOT_FOUND, "VM %s has no saved state", state->vm);
	if (file < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	ssize_t count = read(file, bytes, sizeof(bytes));
	if (count < 0)
		return error_set_errno(err, errno, "cannot read %s", path);
	struct error why = ERROR_INIT;
	int bad = count < (ssize_t)sizeof(bytes) ? error_set(&why, ERROR_UNSAFE, "it is too short")
						 : save_header_decode(bytes, header, &why);
	if (bad)
		return error_set(
			err, ERROR_UNSAFE, "the saved state of VM %s is refused: %s", state->vm, why.message);
	*fd = steal_fd(&file);
	return 0;
}

int saved_match(const struct saved_state *state, const struct save_header *header, struct save_header *wanted,
	int fd, struct error *err)
{
	struct stat info;
	struct error why = ERROR_INIT;
	if (saved_generation(state, &wanted->generation, err))
		return -1;
	if (fstat(fd, &info))
		return error_set_errno(err, errno, "cannot look at the saved state of VM %s", state->vm);
	if (!save_header_match(header, wanted, (uint64_t)info.st_size, &why))
		return 0;
	return error_set(
		err, ERROR_UNSAFE, "the saved state of VM %s is refused: %s", state->vm, why.message);
}

int saved_mark_used(const struct saved_state *state, struct error *err)
{
	uint64_t generation;
	if (rename_to(state, "saved", "used", err))
		return -1;
	return saved_generation_next(state, &generation, err);
}

int saved_refuse(const struct saved_state *state, struct error *err)
{
	return rename_to(state, "saved", "refused", err);
}

int saved_discard(const struct saved_state *state, struct error *err)
{
	static const char *const suffixes[] = { "saved", "saving", "used" };
	uint64_t generation;
	char path[SAVED_PATH];
	// The generation first: if the machine dies in between, what is left fits nothing.
	if (saved_generation_next(state, &generation, err))
		return -1;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (saved_path(state, suffixes[i], path, sizeof(path), err))
			return -1;
		if (unlink(path) && errno != ENOENT)
			return error_set_errno(err, errno, "cannot remove %s", path);
	}
	return sync_directory(state, err);
}

int saved_exists(const struct saved_state *state)
{
	char path[SAVED_PATH];
	return !saved_path(state, "saved", path, sizeof(path), NULL) && !access(path, F_OK);
}
