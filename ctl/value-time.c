// SPDX-License-Identifier: GPL-3.0-or-later
// Times and durations, read and shown. Local time for people, UTC on the wire. Pure but for the machine's time zone.
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "common/name.h"
#include "ctl/value.h"

// NODE "-" SEQUENCE: a name that ends with a number.
static bool is_event_id(const char *text)
{
	const char *dash = strrchr(text, '-');

	return name_valid(text) && dash && dash[1] && strspn(dash + 1, "0123456789") == strlen(dash + 1);
}

// "Z", "+01:00": seconds east of UTC. NULL rest: it is no zone.
static const char *read_zone(const char *text, long *offset)
{
	int hours, minutes, used = 0;

	if (!strcmp(text, "Z") || !strcmp(text, "z")) {
		*offset = 0;
		return text + 1;
	}
	if ((*text != '+' && *text != '-') || sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 ||
		used != 5)
		return NULL;
	if (hours > 23 || minutes > 59)
		return NULL;
	*offset = (hours * 3600L + minutes * 60L) * (*text == '-' ? -1 : 1);
	return text + 1 + used;
}

// What follows the time of day: nothing, a fraction, a zone.
static int finish_time(struct tm *tm, const char *rest, time_t *seconds, unsigned *ms)
{
	char fraction[4] = "000";
	long offset;

	*ms = 0;
	if (*rest == '.') {
		size_t count = strspn(++rest, "0123456789");
		if (count == 0 || count > 9)
			return -1;
		memcpy(fraction, rest, count < 3 ? count : 3);
		*ms = (unsigned)strtoul(fraction, NULL, 10);
		rest += count;
	}
	int day = tm->tm_mday, month = tm->tm_mon;
	if (!*rest) {
		tm->tm_isdst = -1;
		*seconds = mktime(tm);
	} else {
		rest = read_zone(rest, &offset);
		if (!rest || *rest)
			return -1;
		*seconds = timegm(tm) - offset;
	}
	return tm->tm_mday == day && tm->tm_mon == month ? 0 : -1; // 31 February became March
}

static int read_time(const char *text, time_t now, time_t *seconds, unsigned *ms)
{
	static const char *const dated[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M",
		"%Y-%m-%d" };
	static const char *const today[] = { "%H:%M:%S", "%H:%M" };
	const char *rest;
	struct tm tm;

	for (size_t i = 0; i < sizeof(dated) / sizeof(dated[0]); i++) {
		memset(&tm, 0, sizeof(tm));
		if ((rest = strptime(text, dated[i], &tm)) && finish_time(&tm, rest, seconds, ms) == 0)
			return 0;
	}
	for (size_t i = 0; i < sizeof(today) / sizeof(today[0]); i++) {
		localtime_r(&now, &tm);
		tm.tm_sec = 0;
		if ((rest = strptime(text, today[i], &tm)) && !*rest)
			return finish_time(&tm, rest, seconds, ms);
	}
	return -1;
}

int value_since(const char *text, time_t now, char *out, size_t size, struct error *err)
{
	struct error why = ERROR_INIT;
	unsigned ms = 0;
	uint64_t span;
	time_t seconds;
	struct tm tm;

	if (is_event_id(text)) {
		snprintf(out, size, "%s", text);
		return 0;
	}
	if (value_seconds(text, &span, &why) == 0 && !strchr("0123456789", text[strlen(text) - 1]) &&
		span < (uint64_t)now)
		seconds = now - (time_t)span;
	else if (read_time(text, now, &seconds, &ms) < 0)
		return error_set(err, ERROR_USAGE,
			"\"%.40s\" is not a time: give 10m (ago), 14:30, \"2025-01-31 14:30\", RFC 3339, or "
			"an event's id",
			text);
	if (!gmtime_r(&seconds, &tm) || tm.tm_year > 8000)
		return error_set(err, ERROR_USAGE, "\"%.40s\" is out of range", text);
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
	return 0;
}

char *value_show_size(char out[VALUE_BYTES], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	bool whole = value >= 100 || value == floor(value);
	snprintf(out, VALUE_BYTES, "%.*f %s", whole ? 0 : 1, value, units[unit]);
	return out;
}

char *value_show_ms(char out[VALUE_BYTES], double ms)
{
	if (ms < 10)
		snprintf(out, VALUE_BYTES, "%.1f ms", ms);
	else if (ms < 999.5)
		snprintf(out, VALUE_BYTES, "%.0f ms", ms);
	else if (ms < 60000)
		snprintf(out, VALUE_BYTES, "%.2f s", ms / 1000);
	else
		return value_show_seconds(out, ms < 1e15 ? (uint64_t)(ms / 1000 + 0.5) : UINT32_MAX);
	return out;
}

char *value_show_seconds(char out[VALUE_BYTES], uint64_t seconds)
{
	if (seconds < 60)
		snprintf(out, VALUE_BYTES, "%" PRIu64 " s", seconds);
	else if (seconds < 3600)
		snprintf(out, VALUE_BYTES, "%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		snprintf(
			out, VALUE_BYTES, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600, seconds / 60 % 60);
	else
		snprintf(out, VALUE_BYTES, "%" PRIu64 " d %" PRIu64 " h", seconds / 86400,
			seconds / 3600 % 24);
	return out;
}

char *value_show_time(char out[VALUE_BYTES], const char *rfc3339)
{
	time_t seconds;
	unsigned ms;
	struct tm tm;

	if (!strchr(rfc3339, 'T') || read_time(rfc3339, 0, &seconds, &ms) < 0 ||
		!localtime_r(&seconds, &tm)) {
		snprintf(out, VALUE_BYTES, "%s", rfc3339);
		return out;
	}
	size_t used = strftime(out, VALUE_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(out + used, VALUE_BYTES - used, ".%03u", ms);
	return out;
}
