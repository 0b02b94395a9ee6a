// SPDX-License-Identifier: GPL-3.0-or-later
// The rule for names. Pure.
#include "common/name.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_CHARS 63

static bool letter(char c)
{
	return c >= 'a' && c <= 'z';
}

bool name_valid(const char *name)
{
	if (!name || !letter(name[0]))
		return false;
	for (size_t i = 0; name[i]; i++)
		if (i >= NAME_MAX_CHARS ||
			!(letter(name[i]) || (name[i] >= '0' && name[i] <= '9') || name[i] == '-'))
			return false;
	return true;
}

// What came in may hold anything: the message stays one short printable line.
static void printable(char *out, size_t size, const char *in)
{
	size_t i;

	for (i = 0; in[i] && i < size - 4; i++)
		out[i] = in[i] >= ' ' && in[i] < 0x7f ? in[i] : '?';
	snprintf(out + i, size - i, "%s", in[i] ? "..." : "");
}

int name_check(const char *what, const char *name, struct error *err)
{
	char shown[80];

	if (name_valid(name))
		return 0;
	if (!name || !name[0])
		return error_set(err, ERROR_USAGE, "the %s has no name: give one", what);
	printable(shown, sizeof(shown), name);
	return error_set(err, ERROR_USAGE,
		"\"%s\" cannot name a %s: take 1 to %d of a-z, 0-9 and -, starting with a letter", shown,
		what, NAME_MAX_CHARS);
}
