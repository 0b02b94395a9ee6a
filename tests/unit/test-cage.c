// SPDX-License-Identifier: GPL-3.0-or-later
// A cage around real processes: what they find in it, and what is said where namespaces are not permitted. What cannot be done from inside is
// tests/integration/test-hypervisor-privileges.
#include "tests/unit/unit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cage.h"
#include "common/spawn.h"

#define USER 2012345

static char base[] = "/tmp/cage.XXXXXX";

static struct cage *make(enum cage_kind kind, const char *visible)
{
	struct error err = ERROR_INIT;
	struct cage *cage =
		cage_new(&(struct cage_options){ .kind = kind, .base = base, .visible = visible }, &err);
	assert_non_null(cage);
	return cage;
}

// Runs ARGV in a cage and gives what it said on stdout.
static int run(const struct cage *cage, const char *const *argv, const char *const *files, uid_t uid,
	char *text, size_t size, struct error *err)
{
	int ends[2], pidfd = -1;
	pid_t pid;
	struct cage_entry *entry = cage_entry_new(cage, argv[0], files, false, err);
	assert_non_null(entry);
	assert_int_equal(pipe(ends), 0);
	struct spawn_fd fds[] = { { ends[1], 1 }, { -1, -1 } };
	struct spawn_params params = { .argv = argv, .fds = fds, .uid = uid, .gid = uid, .cage = entry };
	int result = spawn_detached(&params, &pid, &pidfd, err);
	close(ends[1]);
	size_t used = 0;
	for (ssize_t count;
		!result && used < size - 1 && (count = read(ends[0], text + used, size - 1 - used)) > 0;)
		used += (size_t)count;
	text[used] = '\0';
	close(ends[0]);
	if (pidfd >= 0)
		close(pidfd);
	cage_entry_free(entry);
	return result;
}

static void it_finds_what_it_is_shown_and_nothing_else(void **state)
{
	char text[4096];
	struct error err = ERROR_INIT;
	if (geteuid())
		skip();
	struct cage *cage = make(CAGE_FULL, "/usr/bin/sort:/usr/bin/no-such-program");
	const char *files[] = { "/etc/fstab", "/no/such/file", NULL };
	assert_ok(run(cage, (const char *[]){ "/usr/bin/find", "/usr/bin", "/etc", "/dev", NULL }, files,
			  USER, text, sizeof(text), &err),
		err);
	assert_non_null(strstr(text, "/dev\n")); // find says what it may not look into, too
	assert_ok(run(cage,
			  (const char *[]){ "/usr/bin/stat", "-c%n", "/usr/bin/sort", "/usr/bin/stat",
				  "/etc/fstab", "/bin/sh", "/etc/passwd", "/usr/bin/find", "/proc/1", base,
				  NULL },
			  files, USER, text, sizeof(text), &err),
		err);
	assert_string_equal(text, "/usr/bin/sort\n/usr/bin/stat\n/etc/fstab\n");
	assert_int_equal(rmdir(base), 0); // nothing is mounted on it, nothing is left in it
	assert_int_equal(mkdir(base, 0700), 0);
	cage_free(cage);
}

static void without_namespaces_it_says_what_to_do(void **state)
{
	char text[256];
	struct error err = ERROR_INIT;
	uid_t uid = geteuid() ? geteuid() : USER;
	struct cage *full = make(CAGE_FULL, ""), *basic = make(CAGE_BASIC, "");
	const char *argv[] = { "/usr/bin/id", "-u", NULL };
	pid_t pid = fork();
	if (pid == 0) {
		if (!geteuid() && (setgid(uid) || setuid(uid)))
			_exit(2);
		int result = run(full, argv, NULL, uid, text, sizeof(text), &err);
		if (!result || !strstr(err.message, "isolation=basic"))
			_exit(3);
		error_clear(&err);
		_exit(run(basic, argv, NULL, uid, text, sizeof(text), &err) ? 4
				: (uid_t)atoi(text) == uid		    ? 0
									    : 5);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	cage_free(full);
	cage_free(basic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_finds_what_it_is_shown_and_nothing_else),
		cmocka_unit_test(without_namespaces_it_says_what_to_do),
	};
	if (!mkdtemp(base))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(base);
	return failed;
}
