// SPDX-License-Identifier: GPL-3.0-or-later
// Builds the node's root with mounts and moves into it. Nothing here writes to the host's files: the host's root is mounted read-only,
// and is detached at the end.
#include "deploy/lab/node/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include "common/cleanup.h"

#define BASE "/mnt" // of the host's root; a tmpfs goes over it
#define ROOT BASE "/root" // where the node's root grows

struct mount_step {
	const char *type, *target; // under ROOT
	unsigned long flags;
	const char *options;
};

static const struct mount_step basic_mounts[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID, "mode=755" },
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "ptmxmode=666,mode=620,gid=5" },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777,size=80%" },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755" },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "tmpfs", "/var/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "tmpfs", "/root", MS_NOSUID | MS_NODEV, "mode=700" },
	{ "hostfs", "/lab", MS_NOSUID | MS_NODEV, NULL }, // options: the node's directory
	{ "ext4", "/state", MS_NOSUID | MS_NODEV, NULL }, // from /dev/ubda
};

// What outlives a reboot, bound from /state. The host's own content is never taken, but for SEED: plain files, at the first boot.
enum seed { EMPTY, SEED };
struct kept_directory {
	const char *path;
	mode_t mode;
	const char *user, *group;
	enum seed seed;
};

static const struct kept_directory kept[] = {
	{ "/var/lib/corosync", 0700, "root", "root", EMPTY },
	{ "/var/lib/pacemaker", 0750, "hacluster", "haclient", EMPTY },
	{ "/var/lib/drbd", 0700, "root", "root", EMPTY },
	{ "/var/lib/holdfast", 0711, "root", "root", EMPTY },
	{ "/var/log", 0755, "root", "root", EMPTY },
	{ "/etc/corosync", 0755, "root", "root", EMPTY },
	{ "/etc/holdfast", 0755, "root", "root", SEED },
	{ "/etc/drbd.d", 0755, "root", "root", SEED },
	{ "/etc/lvm/backup", 0700, "root", "root", EMPTY },
	{ "/etc/lvm/archive", 0700, "root", "root", EMPTY },
};

static const struct kept_directory inner[] = {
	{ "/var/lib/pacemaker/blackbox", 0750, "hacluster", "haclient", EMPTY },
	{ "/var/lib/pacemaker/cib", 0750, "hacluster", "haclient", EMPTY },
	{ "/var/lib/pacemaker/cores", 0750, "hacluster", "haclient", EMPTY },
	{ "/var/lib/pacemaker/pengine", 0750, "hacluster", "haclient", EMPTY },
	{ "/var/log/pacemaker", 0770, "hacluster", "haclient", EMPTY },
	{ "/var/log/corosync", 0755, "root", "root", EMPTY },
	{ "/var/log/cluster", 0755, "root", "root", EMPTY },
	{ "/var/log/holdfast", 0755, "root", "root", EMPTY },
	{ "/var/log/lab", 0755, "root", "root", EMPTY },
	{ "/etc/corosync/uidgid.d", 0755, "root", "root", EMPTY },
	{ "/state/units", 0755, "root", "root", EMPTY },
	{ "/run/lock", 01777, "root", "root", EMPTY },
	{ "/run/lab", 0700, "root", "root", EMPTY },
	{ "/run/crm", 0750, "hacluster", "haclient", EMPTY },
	{ "/run/resource-agents", 0755, "root", "root", EMPTY },
};

static int make_directories(const char *path, struct error *err)
{
	char text[512];

	if (snprintf(text, sizeof(text), "%s", path) >= (int)sizeof(text))
		return error_set(err, ERROR_FAILED, "%s is too long", path);
	for (char *slash = strchr(text + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(text, 0755) < 0 && errno != EEXIST)
			return error_set_errno(err, errno, "cannot make %s", text);
		if (!slash)
			return 0;
		*slash = '/';
	}
}

static int make_owned(const char *path, const struct kept_directory *directory, struct error *err)
{
	const struct passwd *user = getpwnam(directory->user);
	const struct group *group = getgrnam(directory->group);

	if (make_directories(path, err) < 0)
		return -1;
	// Without Pacemaker's user there is no Pacemaker either.
	if (chmod(path, directory->mode) < 0 ||
		(user && group && chown(path, user->pw_uid, group->gr_gid) < 0))
		return error_set_errno(err, errno, "cannot set up %s", path);
	return 0;
}

static int load_module(const char *relative, struct error *err)
{
	struct utsname kernel;
	char path[512];

	uname(&kernel);
	snprintf(path, sizeof(path), "/usr/lib/uml/modules/%s/kernel/%s", kernel.release, relative);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, errno, "cannot read %s", path);
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		return error_set_errno(err, errno, "cannot load %s", path);
	return 0;
}

static int copy_file(const char *from, const char *to)
{
	cleanup_fd int in = open(from, O_RDONLY | O_CLOEXEC);
	cleanup_fd int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	struct stat about;

	if (in < 0 || out < 0 || fstat(in, &about) < 0 || !S_ISREG(about.st_mode))
		return -1;
	return sendfile(out, in, NULL, (size_t)about.st_size) == about.st_size ? 0 : -1;
}

static void copy_plain_files(const char *from, const char *to)
{
	DIR *directory = opendir(from);
	const struct dirent *entry;
	char source[768], target[768];

	while (directory && (entry = readdir(directory))) {
		snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
		snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
		if (entry->d_type == DT_REG && copy_file(source, target) < 0)
			fprintf(stderr, "nodeinit: cannot copy %s\n", source);
	}
	if (directory)
		closedir(directory);
}

static int mount_overlay(const char *stage, struct error *err)
{
	const char *lower = "/";

	if (load_module("fs/overlayfs/overlay.ko", err) < 0)
		return -1;
	if (mount("tmpfs", BASE, "tmpfs", 0, "mode=755,size=90%") < 0)
		return error_set_errno(err, errno, "cannot mount a tmpfs on " BASE);
	if (make_directories(BASE "/upper", err) < 0 || make_directories(BASE "/work", err) < 0 ||
		make_directories(BASE "/stage", err) < 0 || make_directories(ROOT, err) < 0)
		return -1;
	if (*stage) {
		if (mount("stage", BASE "/stage", "hostfs", MS_RDONLY, stage) < 0)
			return error_set_errno(err, errno, "cannot mount the host's %s", stage);
		lower = BASE "/stage:/";
	}
	char options[256];
	snprintf(
		options, sizeof(options), "lowerdir=%s,upperdir=" BASE "/upper,workdir=" BASE "/work", lower);
	if (mount("root", ROOT, "overlay", 0, options) < 0)
		return error_set_errno(err, errno, "cannot mount the overlay");
	return 0;
}

static int mount_basics(const char *node_directory, struct error *err)
{
	char target[256];

	for (size_t i = 0; i < sizeof(basic_mounts) / sizeof(basic_mounts[0]); i++) {
		const struct mount_step *step = &basic_mounts[i];
		const char *source = step->type, *options = step->options;

		snprintf(target, sizeof(target), ROOT "%s", step->target);
		if (strcmp(step->type, "hostfs") == 0)
			options = node_directory;
		else if (strcmp(step->type, "ext4") == 0)
			source = ROOT "/dev/ubda";
		if (make_directories(target, err) < 0)
			return -1;
		if (mount(source, target, step->type, step->flags, options) < 0)
			return error_set_errno(err, errno, "cannot mount %s on %s", source, step->target);
	}
	return 0;
}

static int mount_build(const char *build, struct error *err)
{
	char target[512];

	if (!*build)
		return 0;
	snprintf(target, sizeof(target), ROOT "%s", build);
	if (make_directories(target, err) < 0)
		return -1;
	if (mount("build", target, "hostfs", MS_RDONLY | MS_NOSUID | MS_NODEV, build) < 0)
		return error_set_errno(err, errno, "cannot mount the host's %s", build);
	return 0;
}

static int bind_kept(struct error *err)
{
	char target[256], source[256];

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		struct stat about;

		snprintf(target, sizeof(target), ROOT "%s", kept[i].path);
		snprintf(source, sizeof(source), ROOT "/state%s", kept[i].path);
		if (stat(source, &about) < 0) {
			if (make_owned(source, &kept[i], err) < 0)
				return -1;
			if (kept[i].seed == SEED)
				copy_plain_files(target, source);
		}
		if (make_directories(target, err) < 0)
			return -1;
		if (mount(source, target, NULL, MS_BIND, NULL) < 0)
			return error_set_errno(err, errno, "cannot bind %s", kept[i].path);
	}
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		snprintf(target, sizeof(target), ROOT "%s", inner[i].path);
		if (make_owned(target, &inner[i], err) < 0)
			return -1;
	}
	return 0;
}

// What udev or systemd makes on a real node.
static int make_links(struct error *err)
{
	static const char *const links[][2] = { { "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" }, { "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" } };
	char path[64];

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(path, sizeof(path), ROOT "%s", links[i][1]);
		if (symlink(links[i][0], path) < 0 && errno != EEXIST)
			return error_set_errno(err, errno, "cannot make %s", links[i][1]);
	}
	return 0;
}

// pivot_root also moves the kernel's threads, which run DRBD's handlers.
static int move_into_root(struct error *err)
{
	if (chdir(ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
		chdir("/") < 0)
		return error_set_errno(err, errno, "cannot make " ROOT " the root");
	return 0;
}

int stage_enter(const struct stage_params *params, struct error *err)
{
	if (mount_overlay(params->product, err) < 0 || mount_basics(params->node_directory, err) < 0 ||
		mount_build(params->build, err) < 0 || bind_kept(err) < 0 || make_links(err) < 0)
		return -1;
	return move_into_root(err);
}
