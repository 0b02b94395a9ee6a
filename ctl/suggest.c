// SPDX-License-Identifier: GPL-3.0-or-later
// "Did you mean": the nearest of a few words, by how many letters were left out, added, changed or swapped. Pure.
#include <stdlib.h>
#include <string.h>
#include "ctl/value.h"

#define WORD_LIMIT 40

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

// Optimal string alignment; both are at most WORD_LIMIT long.
static size_t distance(const char *a, const char *b)
{
	size_t cost[WORD_LIMIT + 1][WORD_LIMIT + 1];
	size_t rows = strlen(a), columns = strlen(b);

	for (size_t i = 0; i <= rows; i++)
		cost[i][0] = i;
	for (size_t k = 0; k <= columns; k++)
		cost[0][k] = k;
	for (size_t i = 1; i <= rows; i++) {
		for (size_t k = 1; k <= columns; k++) {
			cost[i][k] = least(least(cost[i - 1][k] + 1, cost[i][k - 1] + 1),
				cost[i - 1][k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				cost[i][k] = least(cost[i][k], cost[i - 2][k - 2] + 1);
		}
	}
	return cost[rows][columns];
}

const char *value_nearest(const char *typed, const char *const words[])
{
	size_t length = strlen(typed), best = length / 3 + 1 + 1;
	const char *nearest = NULL;

	if (length == 0 || length > WORD_LIMIT)
		return NULL;
	for (size_t i = 0; words[i]; i++) {
		if (strlen(words[i]) > WORD_LIMIT)
			continue;
		// The beginning of a word is nearly as good as the word.
		size_t far = length >= 2 && !strncmp(words[i], typed, length) ? 1 : distance(typed, words[i]);
		if (far < best && far < strlen(words[i])) {
			best = far;
			nearest = words[i];
		}
	}
	return nearest;
}
