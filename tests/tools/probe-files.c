// SPDX-License-Identifier: GPL-3.0-or-later
// Tries on files, devices and sockets. In arguments, a first word RUN, STATE, VOLUME, OWN, SECRET, DAEMON or OTHER stands for what the test named.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/tools/probe.h"

static const char *expand(const struct probe_targets *targets, const char *text, char path[PATH_MAX])
{
	char number[32] = "";
	const struct {
		const char *word, *value;
	} words[] = { { "RUN", targets->run }, { "STATE", targets->state }, { "VOLUME", targets->volume },
		{ "OWN", targets->own_volume }, { "SECRET", targets->secret } };
	snprintf(path, PATH_MAX, "%s", text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t length = strlen(words[i].word);
		if (!strncmp(text, words[i].word, length) && words[i].value)
			snprintf(path, PATH_MAX, "%s%s", words[i].value, text + length);
	}
	if (!strncmp(text, "DAEMON", 6))
		snprintf(number, sizeof(number), "/proc/%d", (int)targets->daemon);
	else if (!strncmp(text, "OTHER", 5))
		snprintf(number, sizeof(number), "/proc/%d", (int)targets->other);
	if (number[0])
		snprintf(path, PATH_MAX, "%s%s", number, strchr(text, '/') ? strchr(text, '/') : "");
	return path;
}

static int try_open(const struct probe_targets *targets, const char *text, int flags)
{
	char path[PATH_MAX];
	int fd = open(expand(targets, text, path), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	return fd < 0 ? -1 : 0;
}

static int may_read(const struct probe_targets *targets, const char *path)
{
	return try_open(targets, path, O_RDONLY);
}

static int may_write(const struct probe_targets *targets, const char *path)
{
	return try_open(targets, path, O_RDWR);
}

static int may_create(const struct probe_targets *targets, const char *path)
{
	return try_open(targets, path, O_WRONLY | O_CREAT | O_EXCL);
}

static int may_look(const struct probe_targets *targets, const char *text)
{
	char path[PATH_MAX];
	struct stat info;
	return stat(expand(targets, text, path), &info);
}

static int may_remove(const struct probe_targets *targets, const char *text)
{
	char path[PATH_MAX];
	return unlink(expand(targets, text, path));
}

static int may_run(const struct probe_targets *targets, const char *path)
{
	execl(path, path, "--version", NULL);
	return -1;
}

static int may_make_device(const struct probe_targets *targets, const char *path)
{
	return mknod(path, S_IFBLK | 0600, makedev(8, 0));
}

static int may_make_null(const struct probe_targets *targets, const char *path)
{
	return mknod(path, S_IFCHR | 0600, makedev(1, 1));
}

// ---- sockets

static int may_connect(const struct probe_targets *targets, const char *text)
{
	char path[PATH_MAX];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	expand(targets, text, path);
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static int may_connect_abstract(const struct probe_targets *targets, const char *argument)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(targets->abstract);
	memcpy(address.sun_path + 1, targets->abstract, length);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1
		      : connect(fd, (struct sockaddr *)&address,
				(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length));
}

static int may_connect_tcp(const struct probe_targets *targets, const char *argument)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)targets->port) };
	inet_pton(AF_INET, argument, &address.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static int may_connect_tcp6(const struct probe_targets *targets, const char *argument)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)targets->port) };
	inet_pton(AF_INET6, argument, &address.sin6_addr);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static int may_send_udp(const struct probe_targets *targets, const char *argument)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(5405) };
	inet_pton(AF_INET, argument, &address.sin_addr);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 || sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : 0;
}

static int may_listen(const struct probe_targets *targets, const char *argument)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argument)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof(address));
}

static int may_open_socket(const struct probe_targets *targets, const char *argument)
{
	int family, type, protocol;
	if (sscanf(argument, "%d %d %d", &family, &type, &protocol) != 3)
		return 0; // a mistake of ours shows
	return socket(family, type | SOCK_CLOEXEC, protocol) < 0 ? -1 : 0;
}

// ---- descriptors

static int may_use_inherited(const struct probe_targets *targets, const char *argument)
{
	for (int fd = 3; fd < 4096; fd++) {
		int passed = 0;
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		for (int i = 0; i < targets->fd_count; i++)
			passed |= targets->fds[i] == fd;
		if (!passed)
			return 0;
	}
	errno = EBADF;
	return -1;
}

static int may_use_directory(const struct probe_targets *targets, const char *argument)
{
	struct stat info;
	for (int fd = 0; fd < 4096; fd++)
		if (!fstat(fd, &info) && (S_ISDIR(info.st_mode) || S_ISBLK(info.st_mode)))
			return 0;
	errno = EBADF;
	return -1;
}

static int may_see_environment(const struct probe_targets *targets, const char *name)
{
	errno = ENOENT;
	return getenv(name) ? 0 : -1;
}

#define READ(path)                     \
	{                              \
		"read", may_read, path \
	}
#define WRITE(path)                      \
	{                                \
		"write", may_write, path \
	}
#define CREATE(path)                       \
	{                                  \
		"create", may_create, path \
	}
#define CONNECT(path)                        \
	{                                    \
		"connect", may_connect, path \
	}

const struct probe file_probes[] = {
	READ("/etc/shadow"),
	READ("/etc/passwd"),
	READ("/etc/hostname"),
	READ("/etc/ssh"),
	READ("/etc/holdfast"),
	READ("/etc/corosync/authkey"),
	READ("/etc/drbd.conf"),
	READ("/root"),
	READ("/home"),
	READ("/tmp"),
	READ("/run"),
	READ("/var/lib"),
	READ("/var/log"),
	READ("/boot"),
	READ("/sys/kernel"),
	READ("/sys/class/net"),
	READ("/usr/bin"),
	READ("/usr/sbin"),
	READ("/usr/share/doc"),
	READ("/opt"),
	READ("/mnt"),
	READ("SECRET"),
	READ("VOLUME"),
	READ("OWN"),
	READ("STATE"),
	READ("STATE/events.jsonl"),
	READ("RUN"),
	READ("RUN/vms"),
	READ("RUN/vms/other/guest.json"),
	READ("RUN/vms/other/console.log"),
	READ("RUN/vms/probe/guest.json"),
	READ("RUN/groups/g/spec.json"),
	READ("RUN/hypervisord.lock"),
	READ("/proc/1/environ"),
	READ("/proc/1/mem"),
	READ("/proc/kcore"),
	READ("/proc/kmsg"),
	READ("/proc/kallsyms"),
	READ("/proc/modules"),
	READ("/proc/net/tcp"),
	READ("/proc/sys/kernel/hostname"),
	READ("/proc/self/root/../etc/shadow"),
	READ("DAEMON/environ"),
	READ("DAEMON/maps"),
	READ("DAEMON/mem"),
	READ("DAEMON/fd"),
	READ("DAEMON/root"),
	READ("DAEMON/cwd"),
	READ("DAEMON/cmdline"),
	READ("OTHER/mem"),
	READ("OTHER/fd"),
	READ("OTHER/environ"),
	READ("OTHER/cmdline"),
	READ("OTHER/root"),
	READ("/dev/mem"),
	READ("/dev/port"),
	READ("/dev/kmsg"),
	READ("/dev/sda"),
	READ("/dev/vda"),
	READ("/dev/nvme0n1"),
	READ("/dev/loop0"),
	READ("/dev/loop-control"),
	READ("/dev/drbd0"),
	READ("/dev/mapper/control"),
	READ("/dev/net/tun"),
	READ("/dev/fuse"),
	READ("/dev/tty"),
	READ("/dev/tty0"),
	READ("/dev/console"),
	READ("/dev/ptmx"),
	READ("/dev/shm"),
	READ("/dev/vhost-net"),
	READ("/dev/vhost-vsock"),
	READ("/dev/kvm"),
	READ("/dev/vfio/vfio"),
	READ("/dev/cpu/0/msr"),
	READ("/dev/watchdog"),
	READ("/dev/snd"),
	READ("/dev/input"),
	READ("/dev/hwrng"),
	WRITE("/proc/sys/kernel/core_pattern"),
	WRITE("/proc/sys/kernel/modprobe"),
	WRITE("/proc/sysrq-trigger"),
	WRITE("/proc/self/uid_map"),
	WRITE("/proc/self/oom_score_adj"),
	WRITE("/etc/ld.so.cache"),
	WRITE("/usr/bin/qemu-system-x86_64"),
	WRITE("/usr/share/seabios/bios-256k.bin"),
	WRITE("/sys/fs/cgroup/cgroup.procs"),
	CREATE("/probe"),
	CREATE("/tmp/probe"),
	CREATE("/usr/lib/probe"),
	CREATE("/dev/probe"),
	CREATE("/etc/probe"),
	CREATE("/var/tmp/probe"),
	CREATE("/dev/shm/probe"),
	CREATE("RUN/probe"),
	CREATE("RUN/vms/other/probe"),
	{ "look at", may_look, "VOLUME" },
	{ "look at", may_look, "SECRET" },
	{ "look at", may_look, "RUN/vms/other/qmp.sock" },
	{ "look at", may_look, "DAEMON/exe" },
	{ "look at", may_look, "OTHER" },
	{ "remove", may_remove, "RUN/vms/other/qmp.sock" },
	{ "remove", may_remove, "VOLUME" },
	{ "run", may_run, "/bin/sh" },
	{ "run", may_run, "/usr/bin/env" },
	{ "run", may_run, "/usr/bin/su" },
	{ "run", may_run, "/usr/sbin/drbdsetup" },
	{ "make the device", may_make_device, "/dev/probe" },
	{ "make the device", may_make_device, "/tmp/probe-device" },
	{ "make the device", may_make_null, "/dev/mem" },
	CONNECT("RUN/hypervisord.sock"),
	CONNECT("RUN/clusterd.sock"),
	CONNECT("RUN/vms/other/qmp.sock"),
	CONNECT("RUN/vms/other/agent.sock"),
	CONNECT("RUN/vms/other/console.sock"),
	CONNECT("RUN/vms/probe/qmp.sock"),
	CONNECT("/run/systemd/private"),
	CONNECT("/run/dbus/system_bus_socket"),
	CONNECT("/run/udev/control"),
	CONNECT("/dev/log"),
	CONNECT("/run/systemd/notify"),
	{ "connect to the abstract socket", may_connect_abstract, "" },
	{ "connect by TCP to", may_connect_tcp, "127.0.0.1" },
	{ "connect by TCP to", may_connect_tcp, "10.0.0.1" },
	{ "connect by TCP to", may_connect_tcp6, "::1" },
	{ "send a datagram to", may_send_udp, "127.0.0.1" },
	{ "send a datagram to", may_send_udp, "224.0.0.1" },
	{ "listen at port", may_listen, "80" },
	{ "open a raw socket", may_open_socket, "2 3 1" },
	{ "open a raw socket", may_open_socket, "10 3 58" },
	{ "open a packet socket", may_open_socket, "17 3 768" },
	{ "open a netlink socket", may_open_socket, "16 3 0" },
	{ "open a netlink socket", may_open_socket, "16 3 16" },
	{ "open a vsock", may_open_socket, "40 1 0" },
	{ "open a crypto socket", may_open_socket, "38 5 0" },
	{ "open a Bluetooth socket", may_open_socket, "31 3 1" },
	{ "open an XDP socket", may_open_socket, "44 3 0" },
	{ "open a key socket", may_open_socket, "15 3 2" },
	{ "use a descriptor that it was not passed", may_use_inherited, "" },
	{ "use a directory or disk that it inherited", may_use_directory, "" },
	{ "see the daemon's", may_see_environment, "NOTIFY_SOCKET" },
	{ "see the daemon's", may_see_environment, "PROBE_SECRET" },
	{ 0 },
};
