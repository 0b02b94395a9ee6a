// SPDX-License-Identifier: GPL-3.0-or-later
// The format is that of drbd_seq_show() in DRBD 8.4 (proto 86-101): a line per minor with cs:, ro:, ds:, the protocol and the I/O flags,
// then indented lines of which only sync'ed: and oos: are read.
#include "storage/drbd-proc.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct connection {
	const char *proc, *word;
	bool connected;
	enum drbd_sync sync;
} connections[] = {
	{ "StandAlone", "StandAlone", false, DRBD_SYNC_NONE },
	{ "Disconnecting", "Disconnecting", false, DRBD_SYNC_NONE },
	{ "Unconnected", "Unconnected", false, DRBD_SYNC_NONE },
	{ "Timeout", "Timeout", false, DRBD_SYNC_NONE },
	{ "BrokenPipe", "BrokenPipe", false, DRBD_SYNC_NONE },
	{ "NetworkFailure", "NetworkFailure", false, DRBD_SYNC_NONE },
	{ "ProtocolError", "ProtocolError", false, DRBD_SYNC_NONE },
	{ "TearDown", "TearDown", false, DRBD_SYNC_NONE },
	{ "WFConnection", "Connecting", false, DRBD_SYNC_NONE },
	{ "WFReportParams", "Connecting", false, DRBD_SYNC_NONE },
	{ "Connected", "Connected", true, DRBD_SYNC_NONE },
	{ "StartingSyncS", "Connected", true, DRBD_SYNC_SOURCE },
	{ "StartingSyncT", "Connected", true, DRBD_SYNC_TARGET },
	{ "WFBitMapS", "Connected", true, DRBD_SYNC_SOURCE },
	{ "WFBitMapT", "Connected", true, DRBD_SYNC_TARGET },
	{ "WFSyncUUID", "Connected", true, DRBD_SYNC_TARGET },
	{ "SyncSource", "Connected", true, DRBD_SYNC_SOURCE },
	{ "SyncTarget", "Connected", true, DRBD_SYNC_TARGET },
	{ "VerifyS", "Connected", true, DRBD_SYNC_NONE },
	{ "VerifyT", "Connected", true, DRBD_SYNC_NONE },
	{ "PausedSyncS", "Connected", true, DRBD_SYNC_SOURCE },
	{ "PausedSyncT", "Connected", true, DRBD_SYNC_TARGET },
	{ "Ahead", "Connected", true, DRBD_SYNC_SOURCE },
	{ "Behind", "Connected", true, DRBD_SYNC_TARGET },
};

static int set_connection(struct drbd_minor *minor, const char *word)
{
	for (size_t i = 0; i < sizeof(connections) / sizeof(connections[0]); i++)
		if (strcmp(connections[i].proc, word) == 0) {
			snprintf(minor->connection, sizeof(minor->connection), "%s", connections[i].word);
			minor->connected = connections[i].connected;
			minor->sync = connections[i].sync;
			return 0;
		}
	return -1;
}

static int set_role(Holdfast__Role *role, const char *word)
{
	if (strcmp(word, "Primary") == 0)
		*role = HOLDFAST__ROLE__ROLE_PRIMARY;
	else if (strcmp(word, "Secondary") == 0)
		*role = HOLDFAST__ROLE__ROLE_SECONDARY;
	else if (strcmp(word, "Unknown") == 0)
		*role = HOLDFAST__ROLE__ROLE_UNKNOWN;
	else
		return -1;
	return 0;
}

// 1: a configured minor; 0: an unconfigured one; -1: not understood.
static int parse_minor_line(const char *line, struct drbd_minor *minor)
{
	char connection[32], role[16], peer_role[16], flag;
	int read = 0;

	memset(minor, 0, sizeof(*minor));
	if (sscanf(line, " %u: cs:%31s%n", &minor->minor, connection, &read) != 2 || !read)
		return -1;
	if (strcmp(connection, "Unconfigured") == 0)
		return 0;
	if (sscanf(line + read, " ro:%15[^/ ]/%15s ds:%15[^/ ]/%15s %*c %c", role, peer_role, minor->disk,
		    minor->peer_disk, &flag) != 5)
		return -1;
	if (set_connection(minor, connection) < 0 || set_role(&minor->role, role) < 0 ||
		set_role(&minor->peer_role, peer_role) < 0)
		return -1;
	minor->suspended = flag == 's';
	minor->sync_percent = 100;
	return 1;
}

static void parse_detail_line(const char *line, struct drbd_minor *minor)
{
	const char *at = strstr(line, "oos:");

	if (at)
		minor->out_of_sync_kib = strtoull(at + 4, NULL, 10);
	at = strstr(line, "sync'ed:");
	if (at && minor->sync != DRBD_SYNC_NONE) {
		double percent = strtod(at + 8, NULL);
		minor->sync_percent = percent >= 0 && percent <= 100 ? percent : 0;
	}
}

// "12: cs:..."; the lines before the first of them are the version.
static bool is_minor_line(const char *line)
{
	const char *at = line + strspn(line, " ");
	size_t digits = strspn(at, "0123456789");

	return digits && digits < 8 && strncmp(at + digits, ": cs:", 5) == 0;
}

// One line of *text into LINE, cut to its size; false at the end.
static bool next_line(const char **text, char *line, size_t size)
{
	size_t length = strcspn(*text, "\n");

	if (!**text)
		return false;
	size_t kept = length < size ? length : size - 1;
	memcpy(line, *text, kept);
	line[kept] = '\0';
	*text += length + ((*text)[length] == '\n');
	return true;
}

static size_t count_lines(const char *text)
{
	size_t lines = 1;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

int drbd_proc_parse(const char *text, struct drbd_minor **minors, size_t *count, struct error *err)
{
	struct drbd_minor *list = calloc(count_lines(text), sizeof(*list)), *last = NULL;
	size_t used = 0;
	char line[512];

	if (!list)
		return error_set_errno(err, ENOMEM, "/proc/drbd");
	if (strncmp(text, "version: 8.", 11) != 0) {
		free(list);
		return error_set(
			err, ERROR_FAILED, "this is not DRBD 8 (%.20s): only DRBD 8.4 is supported", text);
	}
	while (next_line(&text, line, sizeof(line))) {
		if (!is_minor_line(line)) {
			if (last)
				parse_detail_line(line, last);
			continue;
		}
		int known = parse_minor_line(line, &list[used]);
		if (known > 0 && used && list[used].minor <= list[used - 1].minor)
			known = -1; // the kernel counts up; drbd_proc_find relies on it
		if (known < 0) {
			free(list);
			return error_set(err, ERROR_PROTOCOL,
				"/proc/drbd has a line that is not understood: %.100s", line);
		}
		last = known > 0 ? &list[used++] : NULL;
	}
	*minors = list;
	*count = used;
	return 0;
}

static int compare_minors(const void *a, const void *b)
{
	const struct drbd_minor *x = a, *y = b;

	return (x->minor > y->minor) - (x->minor < y->minor);
}

const struct drbd_minor *drbd_proc_find(const struct drbd_minor *minors, size_t count, uint32_t minor)
{
	struct drbd_minor key = { .minor = minor };

	return count ? bsearch(&key, minors, count, sizeof(key), compare_minors) : NULL;
}
