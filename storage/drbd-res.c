// SPDX-License-Identifier: GPL-3.0-or-later
// The .res file. allow-two-primaries is never set and fencing is always resource-and-stonith: the safety of the whole cluster rests on
// these two lines. The resource has the group's name, a volume its index.
#include "storage/drbd-res.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/name.h"

#define MINOR_LIMIT (1u << 20)
#define VOLUME_LIMIT 65535u
#define MIB (1ull << 20)
#define SIZE_LIMIT (1ull << 50) // 1 PiB, DRBD 8.4's own

static int check_replica(const Holdfast__Group *group, const Holdfast__Replica *replica, struct error *err)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (name_check("node", replica->node, err) < 0)
		return -1;
	if (inet_pton(AF_INET, replica->address, address) != 1 &&
		inet_pton(AF_INET6, replica->address, address) != 1)
		return error_set(err, ERROR_USAGE,
			"group %s: \"%s\" is not an IP address for its replica on %s", group->name,
			replica->address, replica->node);
	return 0;
}

static int check_volume(const Holdfast__Group *group, size_t i, struct error *err)
{
	const Holdfast__Volume *volume = group->volumes[i];

	if (volume->index > VOLUME_LIMIT || volume->minor >= MINOR_LIMIT)
		return error_set(err, ERROR_USAGE, "group %s: volume %u with minor %u is out of range",
			group->name, volume->index, volume->minor);
	if (!volume->size_bytes || volume->size_bytes % MIB || volume->size_bytes > SIZE_LIMIT)
		return error_set(err, ERROR_USAGE,
			"group %s: volume %u has %llu bytes: a whole number of MiB is needed", group->name,
			volume->index, (unsigned long long)volume->size_bytes);
	for (size_t j = 0; j < i; j++)
		if (group->volumes[j]->index == volume->index || group->volumes[j]->minor == volume->minor)
			return error_set(err, ERROR_USAGE,
				"group %s: volumes %u and %u have the same index or minor", group->name,
				group->volumes[j]->index, volume->index);
	return 0;
}

static int check_secret(const Holdfast__Group *group, struct error *err)
{
	size_t length = strlen(group->secret);

	if (length > 63)
		return error_set(err, ERROR_USAGE,
			"group %s: its replication secret is longer than DRBD's 63 characters", group->name);
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)group->secret[i]))
			return error_set(err, ERROR_USAGE,
				"group %s: its replication secret has other characters than letters and "
				"digits",
				group->name);
	return 0;
}

int drbd_res_check(const Holdfast__Group *group, const char *node, struct error *err)
{
	bool here = false;

	if (name_check("group", group->name, err) < 0)
		return -1;
	if (strcmp(group->name, "all") == 0)
		return error_set(err, ERROR_USAGE,
			"a group with replicated storage cannot be called \"all\": drbdadm means every "
			"resource by it");
	if (group->n_replicas != 2)
		return error_set(err, ERROR_USAGE, "group %s has %zu replicas: exactly two are supported",
			group->name, group->n_replicas);
	for (size_t i = 0; i < group->n_replicas; i++) {
		if (check_replica(group, group->replicas[i], err) < 0)
			return -1;
		here = here || strcmp(group->replicas[i]->node, node) == 0;
	}
	if (strcmp(group->replicas[0]->node, group->replicas[1]->node) == 0)
		return error_set(err, ERROR_USAGE, "group %s has both replicas on %s", group->name,
			group->replicas[0]->node);
	if (!here)
		return error_set(err, ERROR_USAGE, "group %s has no replica on node %s", group->name, node);
	if (!group->port || group->port > 65535)
		return error_set(err, ERROR_USAGE, "group %s: %u is no TCP port", group->name, group->port);
	if (!group->n_volumes)
		return error_set(err, ERROR_USAGE, "group %s has no volumes", group->name);
	for (size_t i = 0; i < group->n_volumes; i++)
		if (check_volume(group, i, err) < 0)
			return -1;
	return check_secret(group, err);
}

uint64_t drbd_res_backing_bytes(uint64_t usable_bytes)
{
	// As drbdmeta computes it: a bit per 4 KiB, the bitmap in whole 4 KiB; 32 KiB activity log, 4 KiB superblock. Twice the granularity
	// more, because the bitmap covers the metadata's own place too.
	uint64_t bitmap = (usable_bytes + (1ull << 27) - 1) / (1ull << 27) * 4096;

	return usable_bytes + bitmap + 36 * 1024 + 2 * 4096;
}

const char *drbd_res_peer(const Holdfast__Group *group, const char *node)
{
	for (size_t i = 0; i < group->n_replicas; i++)
		if (strcmp(group->replicas[i]->node, node) != 0)
			return group->replicas[i]->node;
	return "";
}

static void render_options(FILE *out, const Holdfast__Group *group)
{
	// ping-timeout and timeout are in tenths of a second. A lost peer is noticed within 2 x ping-int + ping-timeout = 5 s (data on the
	// other socket counts as a sign of life for one more ping-int), about corosync's token; a loaded node may be silent for 3 s.
	fprintf(out,
		"\toptions {\n\t\ton-no-data-accessible io-error;\n\t}\n"
		"\tnet {\n\t\tprotocol C;\n\t\ttimeout 60;\n\t\tconnect-int 1;\n\t\tping-int "
		"1;\n\t\tping-timeout 30;\n"
		"\t\tmax-buffers 8000;\n\t\tmax-epoch-size 8000;\n"
		"\t\tafter-sb-0pri discard-zero-changes;\n\t\tafter-sb-1pri disconnect;\n\t\tafter-sb-2pri "
		"disconnect;\n");
	if (group->secret[0])
		fprintf(out, "\t\tcram-hmac-alg sha256;\n\t\tshared-secret \"%s\";\n", group->secret);
	// A group without its second copy is in danger: a resync may take its share of the link (KiB/s) even while guests write.
	fprintf(out,
		"\t}\n\tdisk {\n\t\ton-io-error detach;\n\t\tfencing resource-and-stonith;\n"
		"\t\tc-fill-target 1M;\n\t\tc-max-rate 400M;\n\t\tc-min-rate 20M;\n\t}\n"
		"\thandlers {\n\t\tfence-peer \"" DRBD_HANDLERS "/drbd-fence-peer\";\n"
		"\t\tbefore-resync-target \"" DRBD_HANDLERS "/drbd-before-resync-target\";\n"
		"\t\tafter-resync-target \"" DRBD_HANDLERS "/drbd-after-resync-target\";\n\t}\n");
}

static void render_volume(
	FILE *out, const Holdfast__Group *group, const Holdfast__Volume *volume, const char *pool)
{
	// The size is said, not taken from the LV: extents make that one larger, and both sides must agree.
	fprintf(out,
		"\tvolume %u {\n\t\tdevice minor %u;\n\t\tdisk \"/dev/%s/%s.%u\";\n\t\tmeta-disk internal;\n"
		"\t\tdisk {\n\t\t\tsize %lluK;\n\t\t}\n\t}\n",
		volume->index, volume->minor, pool, group->name, volume->index,
		(unsigned long long)(volume->size_bytes / 1024));
}

char *drbd_res_render(const Holdfast__Group *group, const char *pool)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	fprintf(out,
		"# Made by hypervisord from the definition of group %s; changes are overwritten.\nresource "
		"\"%s\" {\n",
		group->name, group->name);
	render_options(out, group);
	for (size_t i = 0; i < group->n_volumes; i++)
		render_volume(out, group, group->volumes[i], pool);
	for (size_t i = 0; i < group->n_replicas; i++) {
		const Holdfast__Replica *replica = group->replicas[i];
		bool six = strchr(replica->address, ':') != NULL;
		fprintf(out, "\ton \"%s\" {\n\t\taddress %s %s%s%s:%u;\n\t}\n", replica->node,
			six ? "ipv6" : "ipv4", six ? "[" : "", replica->address, six ? "]" : "", group->port);
	}
	fprintf(out, "}\n");
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
