// SPDX-License-Identifier: GPL-3.0-or-later
// See vm-screen.h. QEMU draws into memory that we gave it; what is too large, or no picture, is thrown away.
#include "hypervisor/vm-screen.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/vm-private.h"

#define SCREEN_FDSET 201
#define SCREEN_MOST ((off_t)64 << 20)
#define PIECE_BYTES ((size_t)64 << 10)
#define TAIL_MOST ((off_t)256 << 10)
#define DRAW_MS 20000

static int send_bytes(struct rpc_call *call, const char *bytes, size_t count, struct error *err)
{
	for (size_t done = 0; done < count; done += PIECE_BYTES) {
		size_t piece = count - done < PIECE_BYTES ? count - done : PIECE_BYTES;
		if (rpc_call_send_data(call, bytes + done, piece))
			return error_set(err, ERROR_UNREACHABLE, "the client has gone away");
	}
	return 0;
}

// *memory is read here, *drawing is written by QEMU, which opens only descriptors of just the mode that it wants.
static int make_memory(int *memory, int *drawing, struct error *err)
{
	char path[64];
	cleanup_fd int fd = memfd_create("screen", MFD_CLOEXEC); // no seals: QEMU cuts it to nothing first
	if (fd < 0)
		return error_set_errno(err, errno, "no memory for a picture");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*drawing = open(path, O_WRONLY | O_CLOEXEC);
	if (*drawing < 0)
		return error_set_errno(err, errno, "no memory for a picture");
	*memory = steal_fd(&fd);
	return 0;
}

static int draw(struct vm *vm, int drawing, struct error *err)
{
	char path[32];
	struct error ignored = ERROR_INIT;
	snprintf(path, sizeof(path), "/dev/fdset/%d", SCREEN_FDSET);
	if (qmp_add_fd(vm->qmp, drawing, SCREEN_FDSET, err))
		return -1;
	int result = qmp_command(vm->qmp, "screendump", json_pack("{s:s s:s}", "filename", path, "format", "png"),
		DRAW_MS, NULL, err);
	if (qmp_remove_fd(vm->qmp, SCREEN_FDSET, &ignored))
		log_debug("vm=%s %s", vm->name, ignored.message);
	error_clear(&ignored);
	return result ? error_prefix(err, "VM %s", vm->name) : 0;
}

int screen_draw(struct vm *vm, char **png, size_t *count, struct error *err)
{
	static const char signature[] = "\x89PNG\r\n\x1a\n";
	cleanup_fd int memory = -1, drawing = -1;
	if (!vm_has_process(vm))
		return error_set(err, ERROR_BUSY, "VM %s is %s and has no screen: start it", vm->name,
			vm_state_name(vm->state));
	if (vm->definition->vga == HOLDFAST__VGA__VGA_NONE)
		return error_set(err, ERROR_USAGE, "VM %s has no VGA card: see holdfast vm console %s", vm->name,
			vm->name);
	if (make_memory(&memory, &drawing, err) || draw(vm, drawing, err))
		return -1;
	struct stat info;
	off_t bytes = fstat(memory, &info) ? 0 : info.st_size;
	cleanup_free char *picture = bytes > 8 && bytes <= SCREEN_MOST ? malloc((size_t)bytes) : NULL;
	if (!picture || pread(memory, picture, (size_t)bytes, 0) != bytes || memcmp(picture, signature, 8) != 0)
		return error_set(err, ERROR_FAILED, "VM %s: QEMU drew no picture of its screen", vm->name);
	*png = steal_ptr(picture);
	*count = (size_t)bytes;
	return 0;
}

int screen_send(struct vm *vm, struct rpc_call *call, struct error *err)
{
	char *picture = NULL;
	size_t count = 0;
	if (screen_draw(vm, &picture, &count, err))
		return -1;
	cleanup_free char *owned = picture;
	return send_bytes(call, owned, count, err);
}

int console_send_tail(struct vm *vm, unsigned lines, struct rpc_call *call, struct error *err)
{
	char path[512];
	struct stat info;
	if (vm_path(vm, "console.log", path, sizeof(path), err))
		return -1;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return error_set(err, ERROR_NOT_FOUND, "VM %s has said nothing on its console here", vm->name);
	if (fd < 0 || fstat(fd, &info))
		return error_set_errno(err, errno, "cannot read %s", path);
	off_t from = info.st_size > TAIL_MOST ? info.st_size - TAIL_MOST : 0;
	cleanup_free char *text = malloc((size_t)TAIL_MOST);
	ssize_t count = text ? pread(fd, text, (size_t)TAIL_MOST, from) : -1;
	if (count < 0)
		return error_set_errno(err, errno, "cannot read %s", path);
	ssize_t start = count;
	if (start && text[start - 1] == '\n')
		start--; // the end of the last line begins none
	for (unsigned left = lines; start > 0; start--)
		if (text[start - 1] == '\n' && --left == 0)
			break;
	return send_bytes(call, text + start, (size_t)(count - start), err);
}
