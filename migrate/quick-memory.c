// SPDX-License-Identifier: GPL-3.0-or-later
// See quick-memory.h. One thread leads the lanes and says through an eventfd that all have ended; it touches its struct only, and is joined before
// that is freed. The memory is sealed against shrinking, so that no QEMU can take it away from under the mapping.
#include "migrate/quick-memory.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "common/rpc-socket.h"
#include "common/task.h"
#include "hypervisor/crew.h"
#include "hypervisor/guest-ram.h"
#include "hypervisor/vm-stream.h"
#include "migrate/memory-wire.h"

#define LANES_MIN 2u // one a processor, within these
#define LANES_MAX 4u
#define LOOK_MS 200u // whether its QEMU still lives
#define PACE_MS 50 // a limit is kept within this

struct quick_memory {
	struct save_header header; // its memory backends
	struct save_memory files;
	struct memory_wire wire;
	struct tls_session *lanes[QUICK_LANES_MAX];
	struct memory_pack *packs[QUICK_LANES_MAX]; // NULL: nothing is packed
	unsigned lane_count;
	bool sends;
	uint64_t bandwidth;
	int64_t begin_us;
	_Atomic uint64_t spent; // bytes given to lanes, as they travel
	pthread_t leader;
	bool started;
	int over; // eventfd: the leader has ended
	int result; // of the leader
	struct error err;
};

struct lane { // as its thread sees it
	struct quick_memory *memory;
	struct tls_session *tls;
};

// ---- life

static struct quick_memory *memory_new(unsigned lanes, struct error *err)
{
	struct quick_memory *memory = calloc(1, sizeof(*memory));

	if (!memory) {
		error_set(err, ERROR_NO_SPACE, "no memory for a move");
		return NULL;
	}
	save_memory_init(&memory->files, &memory->header);
	memory->lane_count = lanes;
	memory->over = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (memory->over >= 0)
		return memory;
	error_set_errno(err, errno, "cannot set up the move of a VM's memory");
	quick_memory_free(memory);
	return NULL;
}

void quick_memory_free(struct quick_memory *memory)
{
	if (!memory)
		return;
	quick_memory_stop(memory);
	if (memory->started)
		pthread_join(memory->leader, NULL);
	for (size_t i = 0; i < memory->header.ram_count; i++)
		if (memory->wire.map[i])
			munmap(memory->wire.map[i], memory->header.rams[i].bytes);
	for (unsigned i = 0; i < memory->lane_count; i++)
		tls_session_free(memory->lanes[i]);
	for (unsigned i = 0; i < memory->lane_count; i++)
		memory_pack_free(memory->packs[i]);
	save_memory_done(&memory->files);
	memory_wire_done(&memory->wire);
	cleanup_fd_p(&memory->over);
	free(memory);
}

void quick_memory_stop(struct quick_memory *memory)
{
	for (unsigned i = 0; memory && i < memory->lane_count; i++)
		if (memory->lanes[i])
			tls_lane_cut(memory->lanes[i]);
}

uint64_t quick_memory_bytes(const struct quick_memory *memory)
{
	return memory ? atomic_load(&memory->wire.bytes) : 0;
}

uint64_t quick_memory_wire_bytes(const struct quick_memory *memory)
{
	return memory ? atomic_load(&memory->spent) : 0;
}

// ---- open

static int map_all(struct quick_memory *memory, int protection, struct error *err)
{
	if (memory_wire_init(&memory->wire, &memory->header, err) < 0)
		return -1;
	memory->wire.fds = memory->files.fds;
	for (size_t i = 0; i < memory->header.ram_count; i++) {
		void *map = mmap(
			NULL, memory->header.rams[i].bytes, protection, MAP_SHARED, memory->files.fds[i], 0);
		if (map == MAP_FAILED)
			return error_set_errno(err, errno, "cannot map the memory of a VM");
		memory->wire.map[i] = map;
	}
	return 0;
}

// What there is of it need not be found page by page in the pause. A guest that still runs is not disturbed.
static int map_source(void *data, struct error *err)
{
	struct quick_memory *memory = data;
	uint64_t from, to;

	if (map_all(memory, PROT_READ, err) < 0)
		return -1;
	for (size_t i = 0; i < memory->header.ram_count; i++) {
		uint64_t end = memory->header.rams[i].bytes;
		struct ram_data known = { .fd = -1 };
		for (uint64_t at = 0; at < end; at = to) {
			int found = ram_data_find(memory->files.fds[i], at, end, &known, &from, &to, err);
			if (found < 0)
				return -1;
			if (!found || madvise(memory->wire.map[i] + from, to - from, MADV_POPULATE_READ))
				break; // slower then, no more
		}
	}
	return 0;
}

// A page that is not sent is zero: so must all be here. What QEMU has touched already stays where it is.
static int map_target(void *data, struct error *err)
{
	struct quick_memory *memory = data;

	if (map_all(memory, PROT_READ | PROT_WRITE, err) < 0)
		return -1;
	for (size_t i = 0; i < memory->header.ram_count; i++) {
		uint64_t bytes = memory->header.rams[i].bytes;
		struct stat info;
		if (fstat(memory->files.fds[i], &info))
			return error_set_errno(err, errno, "cannot look at the memory of a VM");
		if ((uint64_t)info.st_blocks * 512 < bytes) {
			if (guest_ram_clear(memory->files.fds[i], bytes, err) < 0)
				return -1;
			continue;
		}
		if (madvise(memory->wire.map[i], bytes, MADV_POPULATE_WRITE))
			log_debug("the memory of a move is not mapped ahead: %s", strerror(errno));
		for (uint64_t number = 0; number < ram_chunks_of(bytes); number++) {
			uint8_t pages[RAM_BITMAP_BYTES] = { 0 };
			uint8_t *chunk = memory->wire.map[i] + number * SAVE_CHUNK_BYTES;
			uint32_t count = ram_chunk_bytes(bytes, number);
			if (ram_pages_note(chunk, count, 0, pages))
				memset(chunk, 0, count);
		}
	}
	return 0;
}

static uint64_t unsent(void *data)
{
	const struct lane *lane = data;

	return rpc_socket_unsent(tls_session_fd(lane->tls));
}

static int open_packs(struct quick_memory *memory, enum quick_pack pack, struct error *err)
{
	for (unsigned i = 0; pack != QUICK_PLAIN && i < memory->lane_count; i++) {
		memory->packs[i] = memory->sends ? memory_pack_out(pack == QUICK_PACKS_ALWAYS, unsent, err)
						 : memory_pack_in(err);
		if (!memory->packs[i])
			return -1;
	}
	return 0;
}

static unsigned lanes_wanted(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	return processors < LANES_MIN ? LANES_MIN : processors > LANES_MAX ? LANES_MAX : (unsigned)processors;
}

int quick_memory_source(struct vm *vm, enum quick_pack pack, struct quick_memory **result, struct error *err)
{
	struct quick_memory *memory = memory_new(lanes_wanted(), err);

	*result = NULL;
	if (!memory)
		return -1;
	memory->sends = true;
	if (open_packs(memory, pack, err) < 0 ||
		vm_stream_memory(vm, &memory->header, &memory->files, err) < 0 ||
		(memory->header.ram_count && task_offload(map_source, memory, err) < 0)) {
		quick_memory_free(memory);
		return -1;
	}
	if (!memory->header.ram_count) {
		log_info("vm=%s its memory cannot be opened, and goes through QEMU's stream", vm_name(vm));
		quick_memory_free(memory);
		return 0;
	}
	*result = memory;
	return 0;
}

static int open_rams(
	struct quick_memory *memory, struct vm *vm, const Holdfast__MoveStream *stream, struct error *err)
{
	for (size_t i = 0; i < stream->n_rams; i++) {
		struct save_ram_header *ram = &memory->header.rams[i];
		const Holdfast__MoveRam *wanted = stream->rams[i];
		if (strlen(wanted->id) >= sizeof(ram->id) || !wanted->bytes || wanted->bytes % SAVE_PAGE)
			return error_set(err, ERROR_PROTOCOL, "a move of memory that cannot be");
		if (guest_ram_open(vm_pid(vm), wanted->id, wanted->bytes, &memory->files.fds[i], err) < 0)
			return error_prefix(err, "VM %s has other memory here", vm_name(vm));
		memcpy(ram->id, wanted->id, strlen(wanted->id));
		ram->bytes = wanted->bytes;
		memory->header.ram_count++;
	}
	return 0;
}

int quick_memory_target(
	struct vm *vm, const Holdfast__MoveStream *stream, struct quick_memory **result, struct error *err)
{
	*result = NULL;
	if (stream->lanes > QUICK_LANES_MAX || !stream->n_rams || stream->n_rams > SAVE_RAMS_MAX)
		return error_set(err, ERROR_PROTOCOL, "a move of %zu memories over %u connections",
			stream->n_rams, stream->lanes);
	struct quick_memory *memory = memory_new(stream->lanes, err);
	if (!memory)
		return -1;
	if (open_packs(memory, stream->packing ? QUICK_PACKS : QUICK_PLAIN, err) < 0 ||
		open_rams(memory, vm, stream, err) < 0 || task_offload(map_target, memory, err) < 0) {
		quick_memory_free(memory);
		return -1;
	}
	*result = memory;
	return 0;
}

int quick_memory_describe(const struct quick_memory *memory, Holdfast__MoveStream *stream, struct error *err)
{
	stream->lanes = memory->lane_count;
	stream->rams = calloc(memory->header.ram_count + 1, sizeof(*stream->rams));
	Holdfast__MoveRam *rams = calloc(memory->header.ram_count + 1, sizeof(*rams));
	if (!stream->rams || !rams) {
		free(stream->rams);
		stream->rams = NULL;
		free(rams);
		return error_set(err, ERROR_NO_SPACE, "no memory for a move");
	}
	stream->rams[0] = rams; // for undescribe
	for (size_t i = 0; i < memory->header.ram_count; i++) {
		holdfast__move_ram__init(&rams[i]);
		rams[i].id = (char *)memory->header.rams[i].id;
		rams[i].bytes = memory->header.rams[i].bytes;
		stream->rams[stream->n_rams++] = &rams[i];
	}
	return 0;
}

void quick_memory_undescribe(Holdfast__MoveStream *stream)
{
	if (stream->rams)
		free(stream->rams[0]);
	free(stream->rams);
	stream->rams = NULL;
	stream->n_rams = 0;
}

// ---- the threads

// What may have gone by now under the limit, and a little more, so that a pause is worth it.
static void keep_pace(struct lane *lane, size_t count)
{
	struct quick_memory *memory = lane->memory;
	uint64_t spent = atomic_fetch_add(&memory->spent, count) + count;

	if (!memory->bandwidth)
		return;
	for (;;) {
		double due_us = (double)spent / (double)memory->bandwidth * 1e6;
		double ahead_ms = (due_us - (double)(loop_now_us() - memory->begin_us)) / 1000;
		if (ahead_ms < 1)
			return;
		struct pollfd fd = { .fd = tls_session_fd(lane->tls) };
		if (poll(&fd, 1, ahead_ms < PACE_MS ? (int)ahead_ms : PACE_MS) > 0)
			return; // it was cut
	}
}

static int give(void *data, const uint8_t *bytes, size_t count, struct error *err)
{
	struct lane *lane = data;

	keep_pace(lane, count);
	return tls_lane_give(lane->tls, bytes, count, err);
}

static int take(void *data, uint8_t *bytes, size_t count, struct error *err)
{
	const struct lane *lane = data;

	return tls_lane_take(lane->tls, bytes, count, err);
}

static int run_lane(void *data, uint64_t number, uint8_t *buffer, struct error *err)
{
	struct quick_memory *memory = data;
	struct lane lane = { memory, memory->lanes[number] };
	struct memory_pack *pack = memory->packs[number];
	int result = memory->sends ? memory_send(&memory->wire, give, &lane, pack, err)
				   : memory_receive(&memory->wire, take, &lane, pack, err);

	if (result == 0 && memory->sends)
		result = tls_lane_flush(lane.tls, err);
	if (result < 0)
		quick_memory_stop(memory); // no lane may come to its end beside one that did not
	return result;
}

static void *lead(void *data)
{
	struct quick_memory *memory = data;
	const uint64_t one = 1;

	memory->result =
		crew_run(run_lane, memory, memory->lane_count, memory->lane_count, NULL, &memory->err);
	if (write(memory->over, &one, sizeof(one)) < 0)
		log_error("the end of a VM's memory cannot be told: %s", strerror(errno));
	return NULL;
}

static int start(struct quick_memory *memory, struct error *err)
{
	sigset_t all, old;

	for (unsigned i = 0; i < memory->lane_count; i++) {
		if (!memory->lanes[i])
			return error_set(err, ERROR_PROTOCOL, "a connection for a VM's memory is missing");
		tls_lane_begin(memory->lanes[i]);
	}
	memory->begin_us = loop_now_us();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int result = pthread_create(&memory->leader, NULL, lead, memory);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	memory->started = result == 0;
	return result ? error_set_errno(err, result, "cannot start the thread of a VM's memory") : 0;
}

int quick_memory_lane(
	struct quick_memory *memory, unsigned number, struct tls_session *tls, struct error *err)
{
	if (number < 1 || number > memory->lane_count || memory->lanes[number - 1]) {
		tls_session_free(tls);
		return error_set(err, ERROR_PROTOCOL,
			"connection %u for a VM's memory was not to be expected", number);
	}
	memory->lanes[number - 1] = tls;
	for (unsigned i = 0; i < memory->lane_count; i++)
		if (!memory->lanes[i])
			return 0;
	return memory->sends ? 0 : start(memory, err);
}

bool quick_memory_listens(const struct quick_memory *memory)
{
	return memory->started;
}

int quick_memory_send(struct quick_memory *memory, uint64_t bandwidth, struct error *err)
{
	memory->bandwidth = bandwidth;
	return start(memory, err);
}

int quick_memory_await(
	struct quick_memory *memory, const struct vm *vm, unsigned timeout_ms, struct error *err)
{
	int64_t deadline_us = loop_now_us() + timeout_ms * 1000LL;
	struct error why = ERROR_INIT;

	while (task_wait_fd(memory->over, POLLIN, LOOK_MS, "the memory of a VM", &why) < 0) {
		if (why.code != ERROR_TIMEOUT || loop_now_us() >= deadline_us)
			return error_copy(err, &why);
		if (!vm_qmp(vm))
			return error_set(err, ERROR_FAILED, "the QEMU of VM %s has ended", vm_name(vm));
		error_clear(&why);
	}
	return memory->result < 0 ? error_copy(err, &memory->err) : 0;
}
