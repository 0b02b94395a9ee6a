// SPDX-License-Identifier: GPL-3.0-or-later
// Joins a client with the console socket of a guest: bytes both ways until either end hangs up. One client at a time: QEMU serves one.
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "common/cleanup.h"
#include "hypervisor/handlers.h"

#define WRITE_MS 10000

struct console {
	struct rpc_call *call;
	struct task *task;
	struct loop_source *source;
	bool ended; // QEMU has hung up
};

static int connect_console(struct vm *vm, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (vm_path(vm, "console.sock", address.sun_path, sizeof(address.sun_path), err))
		return -1;
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return error_set_errno(err, errno, "cannot reach the console of VM %s", vm->name);
	return steal_fd(&fd);
}

static enum loop_verdict on_output(int fd, short events, void *data)
{
	struct console *console = data;
	char bytes[4096];
	ssize_t count = recv(fd, bytes, sizeof(bytes), 0);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return LOOP_CONTINUE;
	if (count > 0 && !rpc_call_send_data(console->call, bytes, (size_t)count))
		return LOOP_CONTINUE;
	console->source = NULL;
	console->ended = true;
	task_cancel(console->task); // it waits for input
	return LOOP_STOP;
}

static int write_all(int fd, const uint8_t *bytes, size_t count, struct error *err)
{
	while (count) {
		ssize_t written = send(fd, bytes, count, MSG_NOSIGNAL);
		if (written > 0) {
			bytes += written;
			count -= (size_t)written;
		} else if (errno != EAGAIN && errno != EINTR) {
			return error_set_errno(err, errno, "the console hung up");
		} else if (task_wait_fd(fd, POLLOUT, WRITE_MS, "the guest to take input", err)) {
			return -1;
		}
	}
	return 0;
}

// Until the client or QEMU hangs up: what rpc_call_receive_data said last.
static int relay(struct console *console, struct hypervisor *hv, int fd, struct error *err)
{
	int more = 1;
	console->source = loop_add_fd(hv->loop, fd, POLLIN, on_output, console);
	while (more > 0 && !console->ended) {
		uint8_t *bytes = NULL;
		size_t count = 0;
		more = rpc_call_receive_data(console->call, TASK_FOREVER, &bytes, &count, err);
		if (more > 0 && write_all(fd, bytes, count, err))
			more = -1;
		free(bytes);
	}
	loop_source_remove(console->source);
	console->source = NULL;
	return more;
}

// After QEMU has hung up: whether the guest lives on in another one, whose console is FD now.
static bool follow(struct hypervisor *hv, const char *name, pid_t *pid, int *fd)
{
	struct vm *vm = groups_vm_find(hv, name);
	if (!vm || !vm_has_process(vm) || vm->guest.pid == *pid)
		return false;
	int next = connect_console(vm, NULL);
	if (next < 0)
		return false;
	close(*fd);
	*fd = next;
	*pid = vm->guest.pid;
	return true;
}

int console_serve(struct vm *vm, struct rpc_call *call, struct error *err)
{
	struct error local = ERROR_INIT;
	if (!vm_has_process(vm))
		return error_set(err, ERROR_BUSY, "VM %s is %s and has no console: start it", vm->name,
			vm_state_name(vm->state));
	if (vm->console_pid == vm->guest.pid)
		return error_set(
			err, ERROR_BUSY, "the console of VM %s is in use by somebody else", vm->name);
	cleanup_fd int fd = connect_console(vm, err);
	if (fd < 0)
		return -1;
	// Names, not pointers, after the first wait: the VM may be gone when this ends.
	char name[64];
	struct hypervisor *hv = group_hypervisor(vm->group);
	pid_t pid = vm->guest.pid;
	snprintf(name, sizeof(name), "%s", vm->name);
	vm->console_pid = pid;
	struct console console = { .call = call, .task = task_self() };
	int more = relay(&console, hv, fd, &local);
	while (console.ended && follow(hv, name, &pid, &fd)) {
		console.ended = false;
		error_clear(&local);
		task_uncancel(task_self());
		more = relay(&console, hv, fd, &local);
	}
	task_uncancel(task_self());
	vm = groups_vm_find(hv, name);
	if (vm && vm->console_pid == pid)
		vm->console_pid = 0;
	return more < 0 && !console.ended ? error_copy(err, &local) : 0;
}
