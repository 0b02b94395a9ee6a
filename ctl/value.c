// SPDX-License-Identifier: GPL-3.0-or-later
// Reading values. Every parser takes the whole text or nothing, and checks for overflow before it multiplies.
#include "ctl/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1ull << 20)

// Digits only: no sign, no blank. *rest is what follows.
static int digits(const char *text, uint64_t *number, const char **rest, struct error *err)
{
	uint64_t value = 0;
	const char *c = text;

	for (; *c >= '0' && *c <= '9'; c++)
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
			return error_set(err, ERROR_USAGE, "\"%.40s\" is too large", text);
	if (c == text)
		return error_set(err, ERROR_USAGE, "\"%.40s\" is not a number", text);
	*number = value;
	*rest = c;
	return 0;
}

int value_size(const char *text, uint64_t *bytes, struct error *err)
{
	static const char units[] = "KMGTP";
	struct error why = ERROR_INIT;
	const char *rest;

	if (digits(text, bytes, &rest, &why) < 0)
		return error_set(err, ERROR_USAGE,
			"\"%.40s\" is not a size: give bytes, or a number with K, M, G or T, like 64M", text);
	if (!*rest)
		return 0;
	const char *unit = strchr(units, toupper((unsigned char)*rest));
	if (!strcasecmp(rest + 1, "b"))
		return error_set(err, ERROR_USAGE,
			"\"%.40s\" leaves open whether it counts in 1000 or 1024: write %c or %ciB (1024)",
			text, toupper((unsigned char)*rest), toupper((unsigned char)*rest));
	if (!unit || (rest[1] && strcmp(rest + 1, "iB")))
		return error_set(err, ERROR_USAGE,
			"\"%.40s\" has no known unit: take K, M, G or T, like 64M or 64MiB", text);
	if (__builtin_mul_overflow(*bytes, 1ull << (10 * (unit - units + 1)), bytes))
		return error_set(err, ERROR_USAGE, "\"%.40s\" is too large", text);
	return 0;
}

int value_memory(const char *text, uint64_t *mib, struct error *err)
{
	uint64_t bytes;

	if (*text && strspn(text, "0123456789") == strlen(text))
		return value_number(text, 1, UINT64_MAX / MIB, mib, err);
	if (value_size(text, &bytes, err) < 0)
		return -1;
	if (bytes == 0 || bytes % MIB)
		return error_set(err, ERROR_USAGE,
			"\"%.40s\" is not a whole number of MiB: give MiB, like 512, or 2G", text);
	*mib = bytes / MIB;
	return 0;
}

int value_seconds(const char *text, uint64_t *seconds, struct error *err)
{
	static const struct {
		const char *unit;
		unsigned seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 } };
	const char *rest;

	if (digits(text, seconds, &rest, err) < 0)
		return error_set(err, ERROR_USAGE,
			"\"%.40s\" is not a time span: give seconds, or 90s, 5m, 2h, 1d", text);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(rest, units[i].unit))
			continue;
		if (__builtin_mul_overflow(*seconds, units[i].seconds, seconds))
			return error_set(err, ERROR_USAGE, "\"%.40s\" is too large", text);
		return 0;
	}
	return error_set(
		err, ERROR_USAGE, "\"%.40s\" is not a time span: give seconds, or 90s, 5m, 2h, 1d", text);
}

int value_number(const char *text, uint64_t least, uint64_t most, uint64_t *number, struct error *err)
{
	const char *rest;

	if (digits(text, number, &rest, err) < 0)
		return -1;
	if (*rest)
		return error_set(err, ERROR_USAGE, "\"%.40s\" is not a whole number", text);
	if (*number < least)
		return error_set(
			err, ERROR_USAGE, "%" PRIu64 " is too small: the least is %" PRIu64, *number, least);
	if (most && *number > most)
		return error_set(
			err, ERROR_USAGE, "%" PRIu64 " is too large: the most is %" PRIu64, *number, most);
	return 0;
}

int value_address(const char *text, struct error *err)
{
	unsigned char binary[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1)
		return 0;
	return error_set(err, ERROR_USAGE, "\"%.60s\" is not an IP address: give one like 10.0.0.11", text);
}

static bool host_characters(const char *host)
{
	return *host &&
		strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_%") ==
		strlen(host);
}

int value_host(const char *text, char *host, size_t size, unsigned *port, struct error *err)
{
	const char *colon = strrchr(text, ':'), *begin = text, *end = text + strlen(text);
	struct error why = ERROR_INIT;
	uint64_t number;

	if (*text == '[') {
		begin = text + 1;
		end = strchr(text, ']');
		colon = end && end[1] == ':' ? end + 1 : NULL;
		if (!end || (!colon && end[1]))
			return error_set(
				err, ERROR_USAGE, "\"%.60s\" is not an address: write [ADDRESS]:PORT", text);
	} else if (colon && strchr(text, ':') != colon) {
		colon = NULL; // an IPv6 address, bare
	} else if (colon) {
		end = colon;
	}
	if ((size_t)(end - begin) >= size)
		return error_set(err, ERROR_USAGE, "\"%.60s...\" is too long for an address", text);
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	if (!host_characters(host))
		return error_set(
			err, ERROR_USAGE, "\"%.60s\" is not an address: give HOST or HOST:PORT", text);
	if (!colon)
		return 0;
	if (value_number(colon + 1, 1, 65535, &number, &why) < 0)
		return error_set(err, ERROR_USAGE,
			"\"%.60s\" has no valid port: give 1 to 65535 after the colon", text);
	*port = (unsigned)number;
	return 0;
}
