// SPDX-License-Identifier: GPL-3.0-or-later
// main() of a fuzz target without libFuzzer: feeds it every file of its corpus, and mutations of each from a fixed seed, so that a
// failure repeats. fuzz-NAME takes corpus/NAME, or the files and directories on its command line. TAP on stdout.
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/file.h"

#define INPUT_LIMIT (1u << 20)
#define MUTATIONS 300

static uint32_t random_next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

// One to four small damages; the copy is of its own size so that the sanitizer sees a read behind its end.
static void run_mutation(const char *bytes, size_t count, uint32_t *seed)
{
	static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xff, '"', '\n', '{' };
	size_t kept = random_next(seed) % 4 == 0 ? random_next(seed) % (count + 1) : count;
	uint8_t *copy = malloc(kept ? kept : 1);

	memcpy(copy, bytes, kept);
	for (uint32_t i = random_next(seed) % 4; kept > 0 && i < 4; i++) {
		size_t at = random_next(seed) % kept;
		switch (random_next(seed) % 3) {
		case 0:
			copy[at] ^= (uint8_t)(1u << random_next(seed) % 8);
			break;
		case 1:
			copy[at] = edges[random_next(seed) % sizeof(edges)];
			break;
		default:
			memmove(copy + at, copy + random_next(seed) % (at + 1), kept - at);
			break;
		}
	}
	LLVMFuzzerTestOneInput(copy, kept);
	free(copy);
}

static int run_file(const char *path, unsigned number)
{
	struct error err = ERROR_INIT;
	cleanup_free char *text = NULL;
	uint32_t seed = 2463534242u;
	size_t count;

	if (file_read(path, INPUT_LIMIT, &text, &count, &err) < 0) {
		printf("not ok %u - %s\n", number, err.message);
		return -1;
	}
	fprintf(stderr, "# %s\n", path); // the last one named is the one that crashed
	LLVMFuzzerTestOneInput((const uint8_t *)text, count);
	for (int i = 0; i < MUTATIONS; i++)
		run_mutation(text, count, &seed);
	const char *name = strrchr(path, '/');
	printf("ok %u - %s\n", number, name ? name + 1 : path);
	return 0;
}

static int run_path(const char *path, unsigned *number)
{
	struct dirent **entries;
	struct stat st;
	int failed = 0;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return run_file(path, ++*number);
	int count = scandir(path, &entries, NULL, alphasort);
	if (count < 0) {
		printf("not ok %u - no corpus at %s\n", ++*number, path);
		return -1;
	}
	for (int i = 0; i < count; i++) {
		char file[PATH_MAX];
		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			failed |= run_file(file, ++*number);
		free(entries[i]);
	}
	free(entries);
	return failed;
}

int main(int argc, char **argv)
{
	const char *top = getenv("abs_top_srcdir");
	const char *name = strstr(argv[0], "fuzz-");
	unsigned number = 0;
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		failed |= run_path(argv[i], &number);
	if (argc == 1) {
		char path[PATH_MAX];
		for (const char *next = name; next; next = strstr(next + 1, "fuzz-"))
			name = next;
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", top ? top : ".",
			name ? name + strlen("fuzz-") : "");
		failed |= run_path(path, &number);
	}
	if (number == 0)
		printf("not ok %u - the corpus is empty\n", ++number);
	printf("1..%u\n", number);
	return failed ? 1 : 0;
}
