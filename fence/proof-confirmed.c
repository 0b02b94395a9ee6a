// SPDX-License-Identifier: GPL-3.0-or-later
// Proof by an administrator: a file named as the node, written by `node confirm-down`, whose time is that of the confirmation. It counts only if it
// is not older than SINCE: a word about an earlier loss says nothing about this one.
#include "fence/proof-sources.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include "common/config.h"
#include "common/name.h"

int proof_confirmed_in(
	const char *directory, const char *node, time_t since, struct proof *proof, struct error *err)
{
	char path[PATH_MAX];
	struct stat status;

	if (name_check("node", node, err) < 0)
		return -1;
	if (snprintf(path, sizeof(path), "%s/%s", directory, node) >= (int)sizeof(path))
		return error_set(err, ERROR_USAGE, "the path of %s is too long", directory);
	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, errno, "cannot read %s", path);
	if (!S_ISREG(status.st_mode) || status.st_uid != 0)
		return error_set(err, ERROR_DENIED, "%s is not a file of root: it is not believed", path);
	if (status.st_mtime < since)
		return 0;
	proof->kind = "confirmed by an administrator";
	proof->when = status.st_mtime;
	return 1;
}

static int check(const char *node, time_t since, struct proof *proof, struct error *err)
{
	return proof_confirmed_in(PROOF_CONFIRMED_DIRECTORY, node, since, proof, err);
}

const struct proof_source proof_confirmed = { "an administrator", check };
