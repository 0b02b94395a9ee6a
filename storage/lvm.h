// SPDX-License-Identifier: GPL-3.0-or-later
// Logical volumes of the node's pool (an LVM volume group), by the lvm programs. Works without udev. The two parsers of their JSON are pure.
#ifndef STORAGE_LVM_H
#define STORAGE_LVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

struct lvm_pool {
	uint64_t size_bytes, free_bytes, extent_bytes;
};
struct lvm_volume {
	char name[128];
	char tags[256];		// comma-separated, as lvs prints them
	uint64_t bytes;
	bool active;
};

int lvm_pool(const char *pool, struct lvm_pool *info, struct error *err) MUST_CHECK;	// waits; ERROR_NOT_FOUND
// The volumes of GROUP, named GROUP.INDEX. One allocation.
int lvm_list(const char *pool, const char *group, struct lvm_volume **volumes, size_t *count, struct error *err) MUST_CHECK;	// waits
// BYTES is rounded up to extents. The first bytes are whatever the disk had: see lvm_zero.
int lvm_create(const char *pool, const char *name, uint64_t bytes, const char *const tags[], struct error *err) MUST_CHECK;	// waits
int lvm_extend(const char *pool, const char *name, uint64_t bytes, struct error *err) MUST_CHECK;	// waits
int lvm_remove(const char *pool, const char *name, struct error *err) MUST_CHECK;	// waits; only if nobody has it open
int lvm_replace_tag(const char *pool, const char *name, const char *old, const char *new, struct error *err) MUST_CHECK;	// waits, atomic
int lvm_activate(const char *pool, struct error *err) MUST_CHECK;	// waits
int lvm_zero(const char *pool, const char *name, struct error *err) MUST_CHECK;	// waits; all of it, on a worker thread
int lvm_zero_from(const char *pool, const char *name, uint64_t from, struct error *err) MUST_CHECK;	// waits; whoever has the rest open

bool lvm_has_tag(const struct lvm_volume *volume, const char *tag);
int lvm_parse_volumes(const char *json, struct lvm_volume **volumes, size_t *count, struct error *err) MUST_CHECK;
int lvm_parse_pool(const char *json, struct lvm_pool *info, struct error *err) MUST_CHECK;

#endif
