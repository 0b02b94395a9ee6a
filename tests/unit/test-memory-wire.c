// SPDX-License-Identifier: GPL-3.0-or-later
// The stream of a guest's memory past QEMU: all of it arrives, holes stay holes, and a stream that is cut, short, or names what is not there is
// refused before anything of it is used.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hypervisor/crew.h"
#include "migrate/memory-wire.h"

#define LANES 2
#define BYTES_0 (2 * SAVE_CHUNK_BYTES + 40 * SAVE_PAGE) // its last chunk is short
#define BYTES_1 (3 * SAVE_PAGE)
#define NOISE_PAGE 130 // of a chunk that text surrounds

struct stream { // what a lane carried
	uint8_t *bytes;
	size_t used, size, at;
};

struct side {
	struct memory_wire wire;
	int fds[2];
};

struct world {
	struct save_header rams;
	struct side from, to;
	struct stream streams[LANES];
	bool packed, agreed;
};

static int give(void *data, const uint8_t *bytes, size_t count, struct error *err)
{
	struct stream *stream = data;

	if (stream->size - stream->used < count) {
		stream->size = 2 * (stream->used + count);
		stream->bytes = realloc(stream->bytes, stream->size);
	}
	memcpy(stream->bytes + stream->used, bytes, count);
	stream->used += count;
	return 0;
}

static int take(void *data, uint8_t *bytes, size_t count, struct error *err)
{
	struct stream *stream = data;

	if (stream->used - stream->at < count)
		return error_set(err, ERROR_UNREACHABLE, "the stream was cut");
	memcpy(bytes, stream->bytes + stream->at, count);
	stream->at += count;
	return 0;
}

static void side_begin(struct side *side, const struct save_header *rams)
{
	struct error err = ERROR_INIT;

	assert_int_equal(memory_wire_init(&side->wire, rams, &err), 0);
	side->wire.fds = side->fds;
	for (size_t i = 0; i < rams->ram_count; i++) {
		side->fds[i] = memfd_create("test", MFD_CLOEXEC);
		assert_true(side->fds[i] >= 0);
		assert_int_equal(ftruncate(side->fds[i], (off_t)rams->rams[i].bytes), 0);
		side->wire.map[i] =
			mmap(NULL, rams->rams[i].bytes, PROT_READ | PROT_WRITE, MAP_SHARED, side->fds[i], 0);
		assert_true(side->wire.map[i] != MAP_FAILED);
	}
}

static void side_end(struct side *side, const struct save_header *rams)
{
	for (size_t i = 0; i < rams->ram_count; i++) {
		munmap(side->wire.map[i], rams->rams[i].bytes);
		close(side->fds[i]);
	}
	memory_wire_done(&side->wire);
}

// Two memories: the first with pages here and there and a hole between, the second all full.
static int begin(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	static const unsigned pages[] = { 0, 1, 2, 7, 255, 256, 300, 512 + 39 };

	world->rams.ram_count = 2;
	world->rams.rams[0] = (struct save_ram_header){ "ram0", BYTES_0 };
	world->rams.rams[1] = (struct save_ram_header){ "more", BYTES_1 };
	side_begin(&world->from, &world->rams);
	side_begin(&world->to, &world->rams);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		memset(world->from.wire.map[0] + pages[i] * SAVE_PAGE + 100 * i, (int)i + 1, 50);
	world->from.wire.map[0][4 * SAVE_PAGE] = 0; // touched, and zero
	memset(world->from.wire.map[1], 0x5a, BYTES_1);
	*state = world;
	return 0;
}

static int end(void **state)
{
	struct world *world = *state;

	side_end(&world->from, &world->rams);
	side_end(&world->to, &world->rams);
	for (size_t i = 0; i < LANES; i++)
		free(world->streams[i].bytes);
	free(world);
	return 0;
}

static int send_lane(void *data, uint64_t number, uint8_t *buffer, struct error *err)
{
	struct world *world = data;

	struct memory_pack *pack = world->packed ? memory_pack_out(true, NULL, err) : NULL;
	int result = memory_send(&world->from.wire, give, &world->streams[number], pack, err);

	memory_pack_free(pack);
	return result;
}

static int receive_lane(void *data, uint64_t number, uint8_t *buffer, struct error *err)
{
	struct world *world = data;

	struct memory_pack *pack = world->agreed ? memory_pack_in(err) : NULL;
	int result = memory_receive(&world->to.wire, take, &world->streams[number], pack, err);

	memory_pack_free(pack);
	return result;
}

static void send_all(struct world *world, size_t lanes)
{
	struct error err = ERROR_INIT;

	assert_int_equal(crew_run(send_lane, world, lanes, lanes, NULL, &err), 0);
}

static bool arrived(const struct world *world)
{
	for (size_t i = 0; i < world->rams.ram_count; i++)
		if (memcmp(world->from.wire.map[i], world->to.wire.map[i], world->rams.rams[i].bytes) != 0)
			return false;
	return true;
}

static void all_of_it_arrives(void **state)
{
	struct world *world = *state;
	struct error err = ERROR_INIT;

	send_all(world, LANES);
	assert_int_equal(crew_run(receive_lane, world, LANES, LANES, NULL, &err), 0);
	assert_true(arrived(world));
	assert_int_equal(world->to.wire.bytes, 11 * SAVE_PAGE);
	assert_int_equal(world->from.wire.bytes, 11 * SAVE_PAGE);
}

static void holes_stay_holes(void **state)
{
	struct world *world = *state;
	struct stat before, after;
	struct error err = ERROR_INIT;

	assert_int_equal(fstat(world->from.fds[0], &before), 0);
	send_all(world, 1);
	assert_int_equal(fstat(world->from.fds[0], &after), 0);
	assert_int_equal(after.st_blocks, before.st_blocks);
	assert_int_equal(receive_lane(world, 0, NULL, &err), 0);
	assert_int_equal(fstat(world->to.fds[0], &after), 0);
	assert_true(after.st_blocks < before.st_blocks); // without the page that is zero
	assert_true(arrived(world));
}

// Pages that shrink in runs of all lengths, and some that do not.
static void begin_packed(struct world *world)
{
	uint8_t *ram = world->from.wire.map[0];
	uint32_t seed = 1;

	for (unsigned page = 0; page < BYTES_0 / SAVE_PAGE; page++) {
		bool noise = page >= NOISE_PAGE && page < NOISE_PAGE + 70;
		for (unsigned i = 0; page % 7 && i < SAVE_PAGE; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 17;
			seed ^= seed << 5;
			ram[page * SAVE_PAGE + i] = (uint8_t)(noise ? seed : page + i / 64);
		}
	}
	world->packed = world->agreed = true;
}

static void packed_it_is_shorter_and_arrives(void **state)
{
	struct world *world = *state;
	struct error err = ERROR_INIT;

	begin_packed(world);
	send_all(world, LANES);
	size_t sent = world->streams[0].used + world->streams[1].used;
	assert_true(sent < world->from.wire.bytes / 2);
	assert_int_equal(crew_run(receive_lane, world, LANES, LANES, NULL, &err), 0);
	assert_true(arrived(world));
	assert_int_equal(world->to.wire.bytes, world->from.wire.bytes);
}

static void packed_it_must_be_agreed(void **state)
{
	struct world *world = *state;
	struct error err = ERROR_INIT;

	begin_packed(world);
	world->agreed = false;
	send_all(world, 1);
	assert_int_equal(receive_lane(world, 0, NULL, &err), -1);
	assert_int_equal(err.code, ERROR_PROTOCOL);
	assert_non_null(strstr(err.message, "was not agreed"));
	assert_int_equal(world->streams[0].at, MEMORY_HEAD_BYTES);
}

// A frame may not go on behind the pages that its chunk's head names, nor may anything be cut off.
static void a_false_packed_chunk_is_refused(void **state)
{
	struct world *world = *state;
	struct stream *stream = &world->streams[0];
	struct memory_head head;
	struct error err = ERROR_INIT;

	begin_packed(world);
	send_all(world, 1);
	size_t whole = stream->used;
	for (size_t cut = 0; cut < whole; cut += cut < 200 || whole - cut < 200 ? 1 : 997) {
		error_clear(&err);
		memset(world->to.wire.seen, 0, 1);
		stream->used = cut;
		stream->at = 0;
		assert_int_equal(receive_lane(world, 0, NULL, &err), -1);
		assert_int_equal(err.code, ERROR_UNREACHABLE);
	}
	stream->used = whole;
	assert_int_equal(memory_head_decode(stream->bytes, &world->rams, &head, &err), 0);
	assert_true(head.packed && head.count > 1);
	head.count = 1;
	memset(head.pages, 0, sizeof(head.pages));
	head.pages[0] = 2;
	memory_head_encode(&head, stream->bytes);
	memset(world->to.wire.map[0], 0, BYTES_0);
	error_clear(&err);
	memset(world->to.wire.seen, 0, 1);
	stream->at = 0;
	assert_int_equal(receive_lane(world, 0, NULL, &err), -1);
	assert_int_equal(err.code, ERROR_PROTOCOL);
	assert_non_null(strstr(err.message, "more than the pages of a piece"));
	for (size_t i = 0; i < BYTES_0; i++)
		assert_int_equal(world->to.wire.map[0][i], 0);
}

static void a_cut_stream_is_refused(void **state)
{
	struct world *world = *state;
	struct stream *stream = &world->streams[0];

	send_all(world, 1);
	size_t whole = stream->used;
	for (size_t cut = 0; cut < whole; cut += cut < 200 || whole - cut < 200 ? 1 : 997) {
		struct error err = ERROR_INIT;
		memset(world->to.wire.seen, 0, 1);
		stream->used = cut;
		stream->at = 0;
		assert_int_equal(receive_lane(world, 0, NULL, &err), -1);
		assert_int_equal(err.code, ERROR_UNREACHABLE);
	}
}

static void refuse(struct world *world, const char *what)
{
	struct error err = ERROR_INIT;

	memset(world->to.wire.seen, 0, 1);
	world->streams[0].at = 0;
	assert_int_equal(receive_lane(world, 0, NULL, &err), -1);
	assert_int_equal(err.code, ERROR_PROTOCOL);
	assert_non_null(strstr(err.message, what));
}

static void what_is_missing_or_comes_twice_is_refused(void **state)
{
	struct world *world = *state;
	struct stream *stream = &world->streams[0];
	struct memory_head head;
	struct error err = ERROR_INIT;
	uint8_t first[MEMORY_HEAD_BYTES + 5 * SAVE_PAGE];

	send_all(world, 1);
	assert_int_equal(memory_head_decode(stream->bytes, &world->rams, &head, &err), 0);
	assert_int_equal(head.count, 5);
	memcpy(first, stream->bytes, sizeof(first));
	memmove(stream->bytes, stream->bytes + sizeof(first), stream->used - sizeof(first));
	stream->used -= sizeof(first);
	refuse(world, "something of it is missing");
	give(stream, first, sizeof(first), &err); // behind the end: not looked at
	refuse(world, "something of it is missing");
	stream->used = 0;
	give(stream, first, sizeof(first), &err);
	give(stream, first, sizeof(first), &err);
	refuse(world, "a piece comes twice");
}

static void a_hostile_head_is_refused(void **state)
{
	struct world *world = *state;
	static const struct {
		size_t at;
		uint8_t value;
		const char *what;
	} cases[] = {
		{ 0, 0, "no head" },
		{ 4, 0, "no known kind" },
		{ 4, 3, "no known kind" },
		{ 4, MEMORY_END, "no known kind" }, // with a bitmap
		{ 5, 2, "a memory that is not there" },
		{ 5, 255, "a memory that is not there" },
		{ 6, 1, "a packed piece, which was not agreed" },
		{ 6, 2, "no head" },
		{ 7, 1, "no head" },
		{ 8, 3, "behind the memory's end" },
		{ 11, 0x80, "behind the memory's end" },
		{ 12, 2, "its count of pages" },
		{ 15, 1, "its count of pages" },
		{ 16, 0, "its count of pages" },
		{ 16 + 5, 1, "a page behind the memory's end" },
		{ 16 + 31, 0x80, "a page behind the memory's end" },
	};
	struct memory_head head = { .kind = MEMORY_CHUNK, .number = 2, .count = 1, .pages = { 1 } };
	struct error err = ERROR_INIT;
	uint8_t bytes[MEMORY_HEAD_BYTES + SAVE_PAGE] = { 0 };

	memory_head_encode(&head, bytes);
	assert_int_equal(memory_head_decode(bytes, &world->rams, &head, &err), 0);
	give(&world->streams[0], bytes, sizeof(bytes), &err);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(world->streams[0].bytes, bytes, sizeof(bytes));
		world->streams[0].bytes[cases[i].at] = cases[i].value;
		if (cases[i].at == 4 && cases[i].value == MEMORY_END)
			world->streams[0].bytes[24] = 1;
		refuse(world, cases[i].what);
		assert_int_equal(world->streams[0].at, MEMORY_HEAD_BYTES); // no page was taken
	}
}

static void an_end_of_other_memory_is_refused(void **state)
{
	struct world *world = *state;
	struct memory_head head = { .kind = MEMORY_END, .count = 4 };
	struct error err = ERROR_INIT;
	uint8_t bytes[MEMORY_HEAD_BYTES];
	static const struct {
		uint32_t number, count;
		uint64_t pages;
		const char *what;
	} cases[] = { { 0, 3, 0, "another size" }, { 1, 4, 0, "missing" }, { 0, 4, 1, "missing" },
		{ 0, 4, 1ull << 40, "missing" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		head.number = cases[i].number;
		head.count = cases[i].count;
		head.lane_pages = cases[i].pages;
		memory_head_encode(&head, bytes);
		world->streams[0].used = 0;
		give(&world->streams[0], bytes, sizeof(bytes), &err);
		refuse(world, cases[i].what);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(all_of_it_arrives, begin, end),
	cmocka_unit_test_setup_teardown(holes_stay_holes, begin, end),
	cmocka_unit_test_setup_teardown(packed_it_is_shorter_and_arrives, begin, end),
	cmocka_unit_test_setup_teardown(packed_it_must_be_agreed, begin, end),
	cmocka_unit_test_setup_teardown(a_false_packed_chunk_is_refused, begin, end),
	cmocka_unit_test_setup_teardown(a_cut_stream_is_refused, begin, end),
	cmocka_unit_test_setup_teardown(what_is_missing_or_comes_twice_is_refused, begin, end),
	cmocka_unit_test_setup_teardown(a_hostile_head_is_refused, begin, end),
	cmocka_unit_test_setup_teardown(an_end_of_other_memory_is_refused, begin, end),
};

UNIT_MAIN(tests)
