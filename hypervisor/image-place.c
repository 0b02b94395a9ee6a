// SPDX-License-Identifier: GPL-3.0-or-later
// The kernel resolves the paths (openat2), so that nobody can change a directory into a link in between.
#include "hypervisor/image-place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/cleanup.h"

static int deny(const struct hypervisor *hv, const char *path, struct error *err)
{
	return error_set(err, ERROR_DENIED,
		"%.300s is not below %.200s, where images have to be (image-directory in the node's "
		"configuration)",
		path, hv->config.image_directory);
}

// PATH without the directory's, or NULL.
static const char *below(const char *directory, const char *path)
{
	size_t length = strlen(directory);
	while (length && directory[length - 1] == '/')
		length--;
	if (strncmp(path, directory, length) || path[length] != '/')
		return NULL;
	path += length + strspn(path + length, "/");
	return *path ? path : NULL;
}

static int open_below(const struct hypervisor *hv, const char *path, const char *relative, uint64_t flags,
	int *fd, struct error *err)
{
	const char *root = hv->config.image_directory;
	const struct open_how how = { .flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	cleanup_fd int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return error_set_errno(err, errno,
			"%.300s cannot be opened, below which images have to be: make it, or name another "
			"(image-directory in the node's configuration)",
			root);
	*fd = (int)syscall(SYS_openat2, directory, relative, &how, sizeof(how));
	if (*fd >= 0)
		return 0;
	return errno == EXDEV ? deny(hv, path, err)
			      : error_set_errno(err, errno, "%.300s cannot be opened", path);
}

static int check_path(const struct hypervisor *hv, const char *path, const char **relative, struct error *err)
{
	if (path[0] != '/' || strlen(path) >= IMAGE_PATH_BYTES)
		return error_set(err, ERROR_USAGE,
			"\"%.100s\" is no absolute path: images are on the node that has the group, below "
			"%.200s",
			path, hv->config.image_directory);
	*relative = below(hv->config.image_directory, path);
	return *relative ? 0 : deny(hv, path, err);
}

int image_open(const struct hypervisor *hv, const char *path, int *fd, bool *device, struct error *err)
{
	const char *relative;
	cleanup_fd int opened = -1;
	struct stat info;
	if (check_path(hv, path, &relative, err) ||
		open_below(hv, path, relative, O_RDONLY | O_NONBLOCK | O_NOCTTY, &opened, err))
		return -1;
	if (fstat(opened, &info))
		return error_set_errno(err, errno, "%.300s", path);
	if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode))
		return error_set(err, ERROR_USAGE, "%.300s is neither a file nor a disk", path);
	*device = S_ISBLK(info.st_mode);
	*fd = steal_fd(&opened);
	return 0;
}

int image_place_find(
	const struct hypervisor *hv, const char *path, struct image_place *place, struct error *err)
{
	const char *relative;
	char parent[IMAGE_PATH_BYTES] = ".";
	*place = (struct image_place){ .directory = -1, .path = path };
	if (check_path(hv, path, &relative, err))
		return -1;
	const char *slash = strrchr(relative, '/');
	const char *name = slash ? slash + 1 : relative;
	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || strlen(name) >= sizeof(place->name))
		return error_set(err, ERROR_USAGE, "%.300s: \"%.100s\" is no name for a file", path, name);
	if (slash)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - relative), relative);
	snprintf(place->name, sizeof(place->name), "%s", name);
	return open_below(hv, path, parent, O_PATH | O_DIRECTORY, &place->directory, err);
}

void image_place_done(struct image_place *place)
{
	if (place->directory >= 0)
		close(place->directory);
	place->directory = -1;
}
