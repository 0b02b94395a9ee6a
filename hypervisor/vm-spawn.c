// SPDX-License-Identifier: GPL-3.0-or-later
// Starts the QEMU of a VM to its QMP greeting: paused, on placeholder disks, as a user of its own, with every socket and file opened here and
// passed as a descriptor. The record in the run directory names the user before the process exists, so that none is ever lost.
#include "hypervisor/vm-spawn.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include "common/cage.h"
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/file.h"
#include "common/log.h"
#include "common/spawn.h"
#include "hypervisor/control.h"
#include "hypervisor/guest-ram.h"
#include "hypervisor/vm-devices.h"
#include "hypervisor/vm-private.h"

#define GREETING_TIMEOUT_MS 30000
#define TOUCHED_TIMEOUT_MS 120000 // with all memory touched first
#define FIRST_FD 10 // in QEMU
#define UIDS_MAX 65000
#define SOCKETS 4

// What is opened for a QEMU before it is spawned; all are closed here after it.
struct prepared {
	int sockets[SOCKETS]; // qmp, agent, console, guest agent
	int log, errors, ram;
	int serials[QEMU_SERIALS_MAX];
	struct vm_devices devices;
};

static void prepared_done(struct prepared *prepared)
{
	vm_devices_close(&prepared->devices);
	for (size_t i = 0; i < SOCKETS; i++)
		cleanup_fd_p(&prepared->sockets[i]);
	for (size_t i = 0; i < QEMU_SERIALS_MAX; i++)
		cleanup_fd_p(&prepared->serials[i]);
	cleanup_fd_p(&prepared->log);
	cleanup_fd_p(&prepared->errors);
	cleanup_fd_p(&prepared->ram);
}

static int listen_at(const struct vm *vm, const char *file, int *fd, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (vm_path(vm, file, address.sun_path, sizeof(address.sun_path), err))
		return -1;
	unlink(address.sun_path);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0 || bind(*fd, (struct sockaddr *)&address, sizeof(address)) || listen(*fd, 4))
		return error_set_errno(err, errno, "cannot listen at %s", address.sun_path);
	return 0;
}

static int open_log(const struct vm *vm, const char *file, int flags, int *fd, struct error *err)
{
	char path[512];
	if (vm_path(vm, file, path, sizeof(path), err))
		return -1;
	*fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	return *fd < 0 ? error_set_errno(err, errno, "cannot open %s", path) : 0;
}

// Where an administrator may send a guest's output: devices and FIFOs, and files below the directory that is configured for it. Elsewhere a
// guest could write to the node's own files as root.
static int open_serial(const struct vm *vm, const char *path, int *fd, struct error *err)
{
	const char *root = group_hypervisor(vm->group)->config.serial_directory;
	size_t length = strlen(root);
	bool below = !strncmp(path, root, length) && path[length] == '/' && !strstr(path, "/../");
	struct stat info;
	*fd = open(path,
		O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | (below ? O_CREAT : 0),
		0600);
	if (*fd < 0 && errno == ENOENT && !below)
		return error_set(err, ERROR_DENIED,
			"VM %s: serial port file %s is not below %s (serial-directory in the node's "
			"configuration)",
			vm->name, path, root);
	if (*fd < 0 || fstat(*fd, &info))
		return error_set_errno(err, errno, "VM %s: cannot open serial port %s", vm->name, path);
	if (!S_ISCHR(info.st_mode) && !S_ISFIFO(info.st_mode) && !(S_ISREG(info.st_mode) && below))
		return error_set(err, ERROR_DENIED,
			"VM %s: serial port %s is no device and not below %s (serial-directory in the node's "
			"configuration)",
			vm->name, path, root);
	// O_NONBLOCK was for the open only; QEMU sets what it wants.
	return fcntl(*fd, F_SETFL, O_APPEND) ? error_set_errno(err, errno, "%s", path) : 0;
}

static int open_memory(const struct vm *vm, int *fd, struct error *err)
{
	uint64_t bytes = qemu_ram_kib(vm->definition, vm->kvm) * 1024;
	return vm->memory_of ? guest_ram_open(vm->memory_of, GUEST_RAM_MAIN, bytes, fd, err)
			     : guest_ram_create(GUEST_RAM_MAIN, bytes, fd, err);
}

static int prepare(const struct vm *vm, enum vm_spawn kind, struct prepared *prepared, struct error *err)
{
	static const char *const files[SOCKETS] = { "qmp.sock", "agent.sock", "console.sock",
		"guest-agent.sock" };
	*prepared = (struct prepared){
		.sockets = { -1, -1, -1, -1 }, .log = -1, .errors = -1, .ram = -1, .serials = { -1, -1, -1 }
	};
	if (vm_devices_open(vm, kind, &prepared->devices, err))
		return -1;
	for (size_t i = 0; i < SOCKETS; i++)
		if (listen_at(vm, files[i], &prepared->sockets[i], err))
			return -1;
	if (open_log(vm, "console.log", 0, &prepared->log, err) ||
		open_log(vm, "qemu.log", O_TRUNC, &prepared->errors, err) ||
		open_memory(vm, &prepared->ram, err))
		return -1;
	for (size_t i = 0; i < vm->definition->n_serials; i++)
		if (open_serial(vm, vm->definition->serials[i]->path, &prepared->serials[i], err))
			return -1;
	return 0;
}

// ---- users

static bool is_guest(const char *pid, const char *vm)
{
	char path[300], text[4096], wanted[80];
	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	cleanup_file FILE *file = fopen(path, "re");
	size_t bytes = file ? fread(text, 1, sizeof(text), file) : 0;
	int length = snprintf(wanted, sizeof(wanted), "guest=%s,", vm);
	return bytes && memmem(text, bytes, wanted, (size_t)length);
}

void vm_spawn_end_user(uid_t uid, const char *vm)
{
	DIR *proc = uid ? opendir("/proc") : NULL;
	struct stat info;
	for (struct dirent *entry; proc && (entry = readdir(proc));) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid > 0 && !fstatat(dirfd(proc), entry->d_name, &info, 0) && info.st_uid == uid &&
			is_guest(entry->d_name, vm))
			kill(pid, SIGKILL);
	}
	if (proc)
		closedir(proc);
}

// Users from BASE on, a bit each.
struct users {
	uid_t base;
	uint8_t taken[(UIDS_MAX + 8) / 8];
};

static void user_take(struct users *users, uid_t uid)
{
	if (uid > users->base && uid - users->base < UIDS_MAX)
		users->taken[(uid - users->base) / 8] |= (uint8_t)(1u << (uid - users->base) % 8);
}

static bool user_taken(const struct users *users, uid_t uid)
{
	return users->taken[(uid - users->base) / 8] & (1u << (uid - users->base) % 8);
}

// By a record: also one whose process is only about to be.
static void take_recorded(struct users *users, const struct rundir_guest *guests, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(guests[i].phase, RUNDIR_PHASE_FAILED) &&
			strcmp(guests[i].phase, RUNDIR_PHASE_SHUT_DOWN))
			user_take(users, guests[i].uid);
}

// By a process, whoever started it. One look at all of them, however many guests there are.
static void take_running(struct users *users)
{
	DIR *proc = opendir("/proc");
	struct stat info;
	for (struct dirent *entry; proc && (entry = readdir(proc));)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			!fstatat(dirfd(proc), entry->d_name, &info, 0))
			user_take(users, info.st_uid);
	if (proc)
		closedir(proc);
}

// The lowest user that no record and no process has; the record that takes it is written before anything else can run.
static int take_uid(struct vm *vm, struct error *err)
{
	struct hypervisor *hv = group_hypervisor(vm->group);
	struct rundir_guest *guests = NULL;
	size_t count = 0;
	if (rundir_guest_list(&hv->run, &guests, &count, err))
		return -1;
	struct users users = { .base = hv->config.uid_base };
	take_recorded(&users, guests, count);
	take_running(&users);
	free(guests);
	uid_t uid = users.base + 1, end = users.base + UIDS_MAX;
	while (uid < end && user_taken(&users, uid))
		uid++;
	if (uid == end)
		return error_set(err, ERROR_FAILED, "all users from uid %u on are in use",
			(unsigned)hv->config.uid_base + 1);
	vm->guest.uid = uid;
	vm->guest.pid = 0;
	vm->guest.start_time = 0;
	vm->guest.cold_boot_ms = 0;
	return vm_phase(vm, RUNDIR_PHASE_SPAWNING, err);
}

// KVM's device is the one thing that QEMU opens itself: its group is QEMU's then.
static gid_t guest_gid(const struct vm *vm)
{
	struct stat info;
	if (vm->kvm && !stat("/dev/kvm", &info))
		return info.st_gid;
	return vm->guest.uid;
}

// ---- the process

// What its QEMU opens by path beyond its own program, libraries and firmware; everything else has to come as a descriptor. A VM on the user-mode
// network speaks for its guest from this machine's network and keeps it.
#define SHOWN_MAX 64
static struct cage_entry *make_entry(const struct vm *vm, struct error *err)
{
	struct hypervisor *hv = group_hypervisor(vm->group);
	const Holdfast__Vm *definition = vm->definition;
	const char *files[SHOWN_MAX] = { definition->kernel, definition->initrd };
	size_t count = 2;
	bool network = false;
	for (size_t i = 0; i < definition->n_cdroms && count + 1 < SHOWN_MAX; i++)
		files[count++] = definition->cdroms[i]->path;
	if (vm->kvm && count + 1 < SHOWN_MAX)
		files[count++] = "/dev/kvm";
	for (size_t i = 0; i < definition->n_nics; i++)
		network |= !strcmp(definition->nics[i]->network, "user");
	return cage_entry_new(hv->cage, hv->config.qemu, files, network, err);
}

static int start_process(struct vm *vm, enum vm_spawn kind, const uint64_t *disk_bytes,
	struct prepared *prepared, int *pidfd, struct error *err)
{
	struct hypervisor *hv = group_hypervisor(vm->group);
	struct spawn_fd fds[SOCKETS + 2 + QEMU_SERIALS_MAX + VM_DEVICES_FDS + 2];
	size_t count = 0;
	char **argv = NULL;
	char cgroup[500];
	struct qemu_params params = {
		.vm = vm->definition,
		.qemu = hv->config.qemu,
		.kvm = vm->kvm,
		.incoming = kind != VM_SPAWN_BOOT,
		.prealloc = kind == VM_SPAWN_INCOMING_TOUCHED,
		.disk_bytes = disk_bytes,
		.qmp_fd = FIRST_FD,
		.agent_fd = FIRST_FD + 1,
		.console_fd = FIRST_FD + 2,
		.guest_agent_fd = FIRST_FD + 3,
		.log_fd = FIRST_FD + SOCKETS,
		.ram_fd = FIRST_FD + SOCKETS + 1,
	};
	int next = FIRST_FD;
	for (size_t i = 0; i < SOCKETS; i++)
		fds[count++] = (struct spawn_fd){ prepared->sockets[i], next++ };
	fds[count++] = (struct spawn_fd){ prepared->log, next++ };
	fds[count++] = (struct spawn_fd){ prepared->ram, next++ };
	for (size_t i = 0; i < vm->definition->n_serials; i++) {
		params.serial_fds[i] = next++;
		fds[count++] = (struct spawn_fd){ prepared->serials[i], params.serial_fds[i] };
	}
	vm_devices_pass(&prepared->devices, next, &params, fds, &count);
	fds[count++] = (struct spawn_fd){ prepared->errors, 2 };
	fds[count] = (struct spawn_fd){ -1, -1 };
	if (qemu_args_build(&params, &argv, err))
		return -1;
	struct cage_entry *cage = make_entry(vm, err);
	if (!cage) {
		qemu_args_free(argv);
		return -1;
	}
	struct spawn_params spawn = {
		.argv = (const char *const *)argv,
		.fds = fds,
		.cgroup = control_prepare(vm, cgroup, sizeof(cgroup)) ? cgroup : NULL,
		.uid = vm->guest.uid,
		.gid = guest_gid(vm),
		.cage = cage,
	};
	int result = spawn_detached(&spawn, &vm->guest.pid, pidfd, err);
	cage_entry_free(cage);
	qemu_args_free(argv);
	return result;
}

void vm_last_words(const struct vm *vm, char *words, size_t size)
{
	char path[512];
	cleanup_free char *text = NULL;
	words[0] = '\0';
	if (vm_path(vm, "qemu.log", path, sizeof(path), NULL) || file_read(path, 1u << 20, &text, NULL, NULL))
		return;
	size_t length = strlen(text);
	while (length && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		text[--length] = '\0';
	char *line = strrchr(text, '\n');
	snprintf(words, size, "%s", line ? line + 1 : text);
}

static void add_last_words(const struct vm *vm, struct error *err)
{
	char words[300];
	vm_last_words(vm, words, sizeof(words));
	if (words[0])
		error_set(err, ERROR_FAILED, "VM %s: QEMU did not start: %s", vm->name, words);
}

static int spawn_and_greet(struct vm *vm, enum vm_spawn kind, const uint64_t *disk_bytes, struct error *err)
{
	struct prepared prepared;
	char path[512];
	int pidfd = -1;
	vm->kvm = group_hypervisor(vm->group)->kvm;
	if (take_uid(vm, err) || running_begin(vm, kind, err) || vm_path(vm, NULL, path, sizeof(path), err))
		return -1;
	int result = prepare(vm, kind, &prepared, err);
	if (!result)
		result = start_process(vm, kind, disk_bytes, &prepared, &pidfd, err);
	fault_point("spawn:process");
	prepared_done(&prepared);
	if (result)
		return -1;
	vm_watch(vm, pidfd);
	vm->disk_count = vm->definition->n_disks;
	vm->disks = VM_DISKS_HOLD;
	vm->fds_linger = false;
	vm->boots = kind == VM_SPAWN_BOOT;
	if (rundir_start_time(vm->guest.pid, &vm->guest.start_time, err) ||
		vm_phase(vm, kind == VM_SPAWN_BOOT ? RUNDIR_PHASE_SPAWNED : RUNDIR_PHASE_INCOMING, err) ||
		vm_connect(vm, kind == VM_SPAWN_INCOMING_TOUCHED ? TOUCHED_TIMEOUT_MS : GREETING_TIMEOUT_MS,
			err) || vm_vnc_listen(vm, err)) {
		add_last_words(vm, err);
		return -1;
	}
	control_started(vm, kind);
	return 0;
}

int vm_spawn(struct vm *vm, enum vm_spawn kind, const uint64_t *disk_bytes, struct error *err)
{
	if (vm->pidfd >= 0)
		return error_set(err, ERROR_BUSY, "VM %s has a QEMU already, process %d", vm->name,
			(int)vm->guest.pid);
	if (qemu_definition_check(vm->definition, err) || vm_event(vm, VM_EVENT_SPAWN, err))
		return -1;
	if (!spawn_and_greet(vm, kind, disk_bytes, err))
		return 0;
	if (vm_kill(vm, GREETING_TIMEOUT_MS, NULL))
		log_error(
			"vm=%s process %d of a start that failed does not end", vm->name, (int)vm->guest.pid);
	else
		vm_forget_process(vm);
	vm_event_now(vm, VM_EVENT_DIED);
	return -1;
}
