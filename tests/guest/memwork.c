// SPDX-License-Identifier: GPL-3.0-or-later
// Holds memory that cannot be compressed, writes to it at a given rate, and reads all of it again and again: a page that is not what was written
// last is reported. What it writes is known from the page's number and how often it was written. In the guest, beside ackdb.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096u
#define WORDS (PAGE / sizeof(uint64_t))
#define TICK_NS 10000000L // written in portions, a hundred a second
#define CHECKED_PER_TICK 64u

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t seed_of(size_t page, uint32_t version)
{
	return (page + 1) * 0x9e3779b97f4a7c15u ^ ((uint64_t)version + 1) * 0xbf58476d1ce4e5b9u;
}

static void fill(uint64_t *at, size_t page, uint32_t version)
{
	uint64_t state = seed_of(page, version);

	for (size_t i = 0; i < WORDS; i++)
		at[i] = next_random(&state);
}

static int check(const uint64_t *at, size_t page, uint32_t version)
{
	uint64_t state = seed_of(page, version);

	for (size_t i = 0; i < WORDS; i++)
		if (at[i] != next_random(&state))
			return -1;
	return 0;
}

static void report(const char *what, unsigned long number)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	printf("MEM %s %lu at %lld.%03ld\n", what, number, (long long)now.tv_sec, now.tv_nsec / 1000000);
}

int main(int argc, char *argv[])
{
	size_t pages = argc > 1 ? strtoul(argv[1], NULL, 10) * 256 : 0, next = 0;
	unsigned long rate = argc > 2 ? strtoul(argv[2], NULL, 10) * 256 / 100 : 0, passes = 0;
	uint64_t *memory =
		mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t *versions = calloc(pages + 1, sizeof(*versions));
	const struct timespec tick = { 0, TICK_NS };
	uint64_t pick = 88172645463325252u;

	if (pages == 0 || memory == MAP_FAILED || !versions) {
		printf("MEM no memory\n");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < pages; i++)
		fill(memory + i * WORDS, i, 0);
	report("filled", pages);
	for (;;) {
		for (unsigned long i = 0; i < rate; i++) {
			size_t page = next_random(&pick) % pages;
			fill(memory + page * WORDS, page, ++versions[page]);
		}
		for (unsigned i = 0; i < CHECKED_PER_TICK; i++) {
			if (check(memory + next * WORDS, next, versions[next]) < 0)
				report("BAD page", next);
			if (++next == pages) {
				next = 0;
				report("pass", ++passes);
			}
		}
		nanosleep(&tick, NULL);
	}
}
