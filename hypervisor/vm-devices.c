// SPDX-License-Identifier: GPL-3.0-or-later
// See vm-devices.h. QEMU itself opens none of these: it runs as a user that may not.
#include "hypervisor/vm-devices.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "hypervisor/tap.h"
#include "hypervisor/vm-private.h"
#include "hypervisor/vm-uefi.h"

void vm_devices_close(struct vm_devices *devices)
{
	for (size_t i = 0; i < SHAPE_NICS_MAX; i++)
		cleanup_fd_p(&devices->taps[i]);
	for (size_t i = 0; i < SHAPE_CDROMS_MAX; i++)
		cleanup_fd_p(&devices->cdroms[i]);
	cleanup_fd_p(&devices->uefi_code);
	cleanup_fd_p(&devices->uefi_vars);
}

int vm_cdrom_open(const char *vm, const char *path, int *fd, struct error *err)
{
	struct stat info;
	cleanup_fd int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (file < 0 || fstat(file, &info))
		return error_set_errno(err, errno,
			"VM %s: CD-ROM %s cannot be read here: put the image there, in the same place on each "
			"possible owner",
			vm, path);
	if (!S_ISREG(info.st_mode) && !(S_ISBLK(info.st_mode) && ioctl(file, CDROM_GET_CAPABILITY, 0) >= 0))
		return error_set(err, ERROR_USAGE, "VM %s: CD-ROM %s is no file and no CD-ROM drive", vm, path);
	// It is opened as root, for a caller who is not: a guest reads what anybody may read.
	if (S_ISREG(info.st_mode) && !(info.st_mode & S_IROTH))
		return error_set(err, ERROR_DENIED,
			"VM %s: CD-ROM %s may not be read by everybody, and a guest would: chmod o+r it if that "
			"is meant",
			vm, path);
	*fd = steal_fd(&file);
	return 0;
}

int vm_devices_open(const struct vm *vm, enum vm_spawn kind, struct vm_devices *devices, struct error *err)
{
	const Holdfast__Vm *definition = vm->definition;
	const struct config *config = &group_hypervisor(vm->group)->config;
	*devices = (struct vm_devices){ .uefi_code = -1, .uefi_vars = -1 };
	for (size_t i = 0; i < SHAPE_NICS_MAX; i++)
		devices->taps[i] = -1;
	for (size_t i = 0; i < SHAPE_CDROMS_MAX; i++)
		devices->cdroms[i] = -1;
	for (size_t i = 0; i < definition->n_cdroms; i++) {
		const char *path = definition->cdroms[i]->path;
		if (path[0] && vm_cdrom_open(vm->name, path, &devices->cdroms[i], err))
			return -1;
	}
	for (size_t i = 0; i < definition->n_nics; i++) {
		const Holdfast__Nic *nic = definition->nics[i];
		if (nic->network[0] && shape_is_bridged(nic) &&
			tap_open(config, nic->network, nic->mac, &devices->taps[i], err))
			return error_prefix(err, "VM %s", vm->name);
	}
	if (definition->firmware != HOLDFAST__FIRMWARE__FIRMWARE_UEFI)
		return 0;
	return uefi_open(vm, kind, &devices->uefi_code, &devices->uefi_vars, err);
}

static void pass(int fd, int *next, int *number, struct spawn_fd *fds, size_t *count)
{
	if (fd < 0)
		return;
	*number = (*next)++;
	fds[(*count)++] = (struct spawn_fd){ fd, *number };
}

void vm_devices_pass(const struct vm_devices *devices, int next, struct qemu_params *params,
	struct spawn_fd *fds, size_t *count)
{
	for (size_t i = 0; i < SHAPE_NICS_MAX; i++)
		pass(devices->taps[i], &next, &params->tap_fds[i], fds, count);
	for (size_t i = 0; i < SHAPE_CDROMS_MAX; i++)
		pass(devices->cdroms[i], &next, &params->cdrom_fds[i], fds, count);
	pass(devices->uefi_code, &next, &params->uefi_code_fd, fds, count);
	pass(devices->uefi_vars, &next, &params->uefi_vars_fd, fds, count);
}

int vm_vnc_listen(struct vm *vm, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (vm_path(vm, "vnc.sock", address.sun_path, sizeof(address.sun_path), err))
		return -1;
	unlink(address.sun_path);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4))
		return error_set_errno(err, errno, "cannot listen at %s", address.sun_path);
	if (qmp_get_fd(vm->qmp, fd, "vnc", err) ||
		qmp_command(vm->qmp, "display-update",
			json_pack("{s:s s:[{s:s s:s}]}", "type", "vnc", "addresses", "type", "fd", "str", "vnc"),
			QMP_TIMEOUT_MS, NULL, err))
		return error_prefix(err, "VM %s: no VNC", vm->name);
	return 0;
}
