// SPDX-License-Identifier: GPL-3.0-or-later
// ackdb: the workload of the test guest. It commits numbered rows to a SQLite database and acknowledges each
// number on the report port. Always true: a number is reported only after its COMMIT returned, and after the
// first error nothing is written or acknowledged any more. It knows nothing of the cluster around it.
//
// Lines on the report port, each ending in " #" and the FNV-1a hash of the text before it, in 8 hex digits,
// so that a line torn by a crash or a move is never taken for a whole one:
//   BOOT boot=B fs=clean|recovered|errors integrity=ok|TEXT last=N rows=N gaps=N bad=N
//   ACK N UPTIME_MS B
//   FAIL TEXT
//   STOP boot=B last=N
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/input.h>
#include <linux/random.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BUTTONS = 8, LINE_SIZE = 512, PAYLOAD_SIZE = 65 };

struct guest {
	struct pollfd watch[1 + MAX_BUTTONS]; // [0] is the report port, the rest are power buttons
	nfds_t watched;
	bool stopping; // the power button was pressed
	sqlite3 *db;
	int64_t boot; // how many boots this database has seen, this one included
};

// What the database holds when the guest boots.
struct summary {
	char integrity[128];
	int64_t last, rows, gaps, bad;
};

static int64_t uptime_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

// Waits for a power button or, if events asks for it, for the report port. Returns as soon as one has
// something.
static void guest_wait(struct guest *g, short port_events, int timeout_ms)
{
	struct input_event event;

	g->watch[0].events = port_events;
	// A port that nobody asked about must not wake us with its POLLHUP or POLLERR: poll skips negative
	// fds.
	int port = g->watch[0].fd;
	if (!port_events)
		g->watch[0].fd = -1;
	int ready = poll(g->watch, g->watched, timeout_ms);
	g->watch[0].fd = port;
	for (nfds_t i = 1; ready > 0 && i < g->watched; i++) {
		if (!(g->watch[i].revents & POLLIN))
			continue;
		while (read(g->watch[i].fd, &event, sizeof event) == sizeof event)
			if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1)
				g->stopping = true;
	}
}

static void guest_wait_power(struct guest *g)
{
	while (!g->stopping)
		guest_wait(g, 0, -1);
}

static uint32_t fnv1a(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

// Writes one whole line to the report port. A port that takes nothing (its reader is gone) holds the guest
// up, but not against the power button. Returns -1 if the line could not be written.
__attribute__((format(printf, 2, 3))) static int report(struct guest *g, const char *format, ...)
{
	char text[LINE_SIZE], line[LINE_SIZE + 16];
	va_list args;
	size_t done = 0;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	int length = snprintf(line, sizeof line, "%s #%08" PRIx32 "\n", text, fnv1a(text));
	while (done < (size_t)length) {
		ssize_t n = write(g->watch[0].fd, line + done, (size_t)length - done);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			fprintf(stderr, "ackdb: cannot write to the report port: %s\n", strerror(errno));
			return -1;
		}
		if (g->stopping)
			return -1;
		guest_wait(g, POLLOUT, -1);
	}
	return 0;
}

// Opens every input device that has a power key.
static void buttons_open(struct guest *g)
{
	DIR *dir = opendir("/dev/input");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) && g->watched < 1 + MAX_BUTTONS) {
		unsigned char keys[KEY_MAX / 8 + 1] = {0};
		if (strncmp(entry->d_name, "event", 5) != 0)
			continue;
		int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof keys), keys) < 0 ||
		    !(keys[KEY_POWER / 8] >> KEY_POWER % 8 & 1))
			close(fd);
		else
			g->watch[g->watched++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	if (dir)
		closedir(dir);
	if (g->watched == 1)
		fprintf(stderr, "ackdb: no power button found, a graceful stop will not work\n");
}

static int port_open(struct guest *g, const char *path)
{
	struct termios mode;

	int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || tcgetattr(fd, &mode) < 0) {
		fprintf(stderr, "ackdb: cannot use the report port %s: %s\n", path, strerror(errno));
		return -1;
	}
	cfmakeraw(&mode);
	cfsetspeed(&mode, B115200);
	mode.c_cflag |= CLOCAL;
	if (tcsetattr(fd, TCSANOW, &mode) < 0) {
		fprintf(stderr, "ackdb: cannot set %s to raw mode: %s\n", path, strerror(errno));
		return -1;
	}
	g->watch[0].fd = fd;
	// Ends a line that a killed predecessor may have left torn in the log.
	return write(fd, "\n", 1) == 1 ? 0 : -1;
}

// The payload of row n: 64 hex digits that depend on nothing but n (splitmix64).
static void payload_make(int64_t n, char payload[PAYLOAD_SIZE])
{
	uint64_t state = (uint64_t)n;

	for (int i = 0; i < 4; i++) {
		uint64_t z = state += 0x9e3779b97f4a7c15u;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		snprintf(payload + 16 * i, 17, "%016" PRIx64, z ^ z >> 31);
	}
}

static int run_sql(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int query_int(sqlite3 *db, const char *sql, int64_t *value)
{
	sqlite3_stmt *stmt = NULL;
	int result = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		*value = sqlite3_column_int64(stmt, 0);
		result = 0;
	}
	sqlite3_finalize(stmt);
	return result;
}

// WAL with synchronous=FULL: each commit is one append and one fdatasync before COMMIT returns. An exclusive
// lock keeps the index of the WAL in memory. The pragmas that matter are read back.
static int database_open(struct guest *g, const char *path)
{
	int64_t value = 0;

	if (sqlite3_open_v2(path, &g->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
		return -1;
	sqlite3_extended_result_codes(g->db, 1);
	if (run_sql(g->db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	                   "CREATE TABLE IF NOT EXISTS rows(n INTEGER PRIMARY KEY, t INTEGER, payload TEXT);"
	                   "CREATE TABLE IF NOT EXISTS boots(boot INTEGER PRIMARY KEY, t INTEGER);") < 0)
		return -1;
	if (query_int(g->db, "PRAGMA synchronous", &value) < 0 || value != 2)
		return -1;
	return query_int(g->db, "SELECT 1 FROM pragma_journal_mode WHERE journal_mode = 'wal'", &value);
}

static void integrity_check(sqlite3 *db, char *text, size_t size)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		snprintf(text, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
	else
		snprintf(text, size, "%s", sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	// One word in the report.
	for (char *c = text; *c; c++)
		if (*c <= ' ')
			*c = '_';
}

// Reads every row: counts those missing below the highest, and those whose payload is not what was written.
static int rows_check(sqlite3 *db, struct summary *s)
{
	sqlite3_stmt *stmt = NULL;
	char payload[PAYLOAD_SIZE];
	int rc = sqlite3_prepare_v2(db, "SELECT n, payload FROM rows ORDER BY n", -1, &stmt, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		int64_t n = sqlite3_column_int64(stmt, 0);
		const char *found = (const char *)sqlite3_column_text(stmt, 1);
		payload_make(n, payload);
		s->rows++;
		s->gaps += n - s->last - 1;
		s->bad += !found || strcmp(found, payload) != 0;
		s->last = n;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : -1;
}

// Reports what went wrong, then waits for the power button: nothing is written from here on.
static int give_up(struct guest *g, const char *what)
{
	int last_errno = errno;
	int number = g->db ? sqlite3_system_errno(g->db) : 0;
	const char *text = g->db && sqlite3_errcode(g->db) != SQLITE_OK ? sqlite3_errmsg(g->db) : "";

	// SQLite does not keep the errno of a failed COMMIT.
	if (!number && g->db && (sqlite3_errcode(g->db) & 0xff) == SQLITE_IOERR)
		number = last_errno;
	if (number)
		report(g, "FAIL %s: %s: %s", strerror(number), what, text);
	else
		report(g, "FAIL %s%s%s", what, *text ? ": " : "", text);
	fprintf(stderr, "ackdb: stopped: %s: %s %s\n", what, text, number ? strerror(number) : "");
	guest_wait_power(g);
	return 1;
}

// Checks what is there, counts this boot and sends the BOOT line. A damaged database or file system is
// reported, and then not written to. *last is the highest row.
static int boot_report(struct guest *g, const char *path, const char *fs, int64_t *last)
{
	struct summary s = {0};
	const char *damage = NULL;

	if (database_open(g, path) < 0) {
		damage = "cannot open the database";
		snprintf(s.integrity, sizeof s.integrity, "unreadable");
	} else {
		integrity_check(g->db, s.integrity, sizeof s.integrity);
		if (rows_check(g->db, &s) < 0)
			damage = "cannot read the rows";
		if (query_int(g->db, "SELECT coalesce(max(boot), 0) + 1 FROM boots", &g->boot) < 0)
			damage = "cannot read the boot counter";
		if (strcmp(s.integrity, "ok") != 0)
			damage = "the database is damaged";
		if (strcmp(fs, "errors") == 0)
			damage = "the file system has errors that e2fsck -p does not repair";
		if (!damage && run_sql(g->db, "INSERT INTO boots SELECT coalesce(max(boot), 0) + 1, "
		                              "unixepoch() FROM boots") < 0)
			damage = "cannot count this boot";
	}
	report(g,
	       "BOOT boot=%" PRId64 " fs=%s integrity=%s last=%" PRId64 " rows=%" PRId64 " gaps=%" PRId64
	       " bad=%" PRId64,
	       g->boot, fs, s.integrity, s.last, s.rows, s.gaps, s.bad);
	printf("ackdb: boot %" PRId64 ", file system %s, integrity %s, %" PRId64 " rows\n", g->boot, fs,
	       s.integrity, s.rows);
	fflush(stdout);
	*last = s.last;
	return damage ? give_up(g, damage) : 0;
}

static int row_commit(sqlite3 *db, sqlite3_stmt *insert, int64_t n)
{
	char payload[PAYLOAD_SIZE];
	struct timespec t;

	payload_make(n, payload);
	errno = 0;
	clock_gettime(CLOCK_REALTIME, &t);
	sqlite3_bind_int64(insert, 1, n);
	sqlite3_bind_int64(insert, 2, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000);
	sqlite3_bind_text(insert, 3, payload, -1, SQLITE_TRANSIENT);
	if (run_sql(db, "BEGIN") < 0 || sqlite3_step(insert) != SQLITE_DONE ||
	    sqlite3_reset(insert) != SQLITE_OK)
		return -1;
	return run_sql(db, "COMMIT");
}

// Commits and acknowledges rows until the power button is pressed. After a pause it does not hurry to catch
// up.
static int rows_write(struct guest *g, int64_t last, int64_t rate)
{
	sqlite3_stmt *insert = NULL;
	int64_t period_us = rate > 0 ? 1000000 / rate : 0, next_us = uptime_us();

	if (sqlite3_prepare_v2(g->db, "INSERT INTO rows VALUES(?, ?, ?)", -1, &insert, NULL) != SQLITE_OK)
		return give_up(g, "prepare");
	while (!g->stopping) {
		int64_t wait_us = next_us - uptime_us();
		if (wait_us > 0) {
			guest_wait(g, 0, (int)((wait_us + 999) / 1000));
			continue;
		}
		next_us = -wait_us > period_us ? uptime_us() + period_us : next_us + period_us;
		if (row_commit(g->db, insert, last + 1) < 0)
			return give_up(g, "commit");
		last++;
		if (report(g, "ACK %" PRId64 " %" PRId64 " %" PRId64, last, uptime_us() / 1000, g->boot) < 0)
			break;
		guest_wait(g, 0, 0);
	}
	guest_wait_power(g);
	sqlite3_finalize(insert);
	if (sqlite3_close(g->db) != SQLITE_OK) {
		fprintf(stderr, "ackdb: cannot close the database\n");
		return 1;
	}
	report(g, "STOP boot=%" PRId64 " last=%" PRId64, g->boot, last);
	tcdrain(g->watch[0].fd);
	return 0;
}

// What is on a disk: "blank" (the first 4 KiB are zero), "ext" (an ext2/3/4 superblock) or "other".
static int probe(const char *path)
{
	unsigned char head[4096];
	size_t i = 0;

	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, head, sizeof head, 0) != sizeof head) {
		fprintf(stderr, "ackdb: cannot read %s: %s\n", path, strerror(errno));
		return 1;
	}
	while (i < sizeof head && !head[i])
		i++;
	puts(i == sizeof head ? "blank" : head[1080] == 0x53 && head[1081] == 0xef ? "ext" : "other");
	return 0;
}

// Credits the kernel's random pool with the clock. Without it the first reader waits up to 4 s under
// emulation. Good enough for what this guest draws (the UUID of a file system, SQLite's salts); it has no
// secrets.
static int seed(void)
{
	struct {
		struct rand_pool_info info;
		struct timespec time[4];
	} pool = {.info = {.entropy_count = 256, .buf_size = sizeof pool.time}};

	for (int i = 0; i < 4; i++)
		clock_gettime(i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, &pool.time[i]);
	int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) < 0) {
		fprintf(stderr, "ackdb: cannot seed /dev/urandom: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

// Exit status of run and fail: 0 after a clean stop, 1 after a FAIL; both only once the power button was
// pressed.
int main(int argc, char **argv)
{
	struct guest g = {.watch[0].fd = -1, .watched = 1};
	int64_t last = 0;

	if (argc == 2 && strcmp(argv[1], "seed") == 0)
		return seed();
	if (argc == 3 && strcmp(argv[1], "probe") == 0)
		return probe(argv[2]);
	bool run = argc == 6 && strcmp(argv[1], "run") == 0;
	if (!run && !(argc == 4 && strcmp(argv[1], "fail") == 0)) {
		fprintf(stderr, "usage: ackdb seed | probe DISK | run PORT DATABASE FS-STATE RATE | fail "
		                "PORT TEXT\n");
		return 2;
	}
	buttons_open(&g);
	if (port_open(&g, argv[2]) < 0) {
		guest_wait_power(&g);
		return 1;
	}
	if (!run) {
		report(&g, "BOOT boot=0 fs=errors integrity=unreadable last=0 rows=0 gaps=0 bad=0");
		return give_up(&g, argv[3]);
	}
	if (boot_report(&g, argv[3], argv[4], &last) != 0)
		return 1;
	return rows_write(&g, last, strtoll(argv[5], NULL, 10));
}
