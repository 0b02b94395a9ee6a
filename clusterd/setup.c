// SPDX-License-Identifier: GPL-3.0-or-later
// Files and services of a new member: see the header. A CIB left by an earlier cluster (Debian starts Pacemaker when it
// is installed) is put aside, and a minimal one with a short dc-deadtime is put in its place: without it the first
// election takes 20 s.
#include "clusterd/setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusterd/cib-link.h"
#include "clusterd/corosync-conf.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/name.h"
#include "common/spawn.h"

#define CIB_DIRECTORY "/var/lib/pacemaker/cib"
#define CIB_FILE CIB_DIRECTORY "/cib.xml"
#define ASIDE ".before-holdfast"
#define SERVICE_TIMEOUT_MS 120000u

enum { UNDO_FILES = 1, UNDO_CIB = 2 };

static const char *const cib_files[] = { CIB_FILE, CIB_FILE ".sig", CIB_DIRECTORY "/cib.last" };
static const char *const other_files[] = { SETUP_COROSYNC_CONF, SETUP_COROSYNC_KEY, SETUP_PACEMAKER_KEY };

static const char seed[] =
	"<cib crm_feature_set=\"3.0.14\" validate-with=\"pacemaker-3.0\" epoch=\"0\" num_updates=\"0\" "
	"admin_epoch=\"0\">"
	"<configuration><crm_config><cluster_property_set id=\"cib-bootstrap-options\">"
	"<nvpair id=\"cib-bootstrap-options-dc-deadtime\" name=\"dc-deadtime\" value=\"5s\"/>"
	"</cluster_property_set></crm_config><nodes/><resources/><constraints/></configuration><status/></"
	"cib>\n";

// ---- checks

static int address_is_ours(const char *address, struct error *err)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;

	if (!is_v4)
		inet_pton(AF_INET6, address, &v6.sin6_addr);
	cleanup_fd int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set_errno(err, errno, "making a socket");
	const struct sockaddr *any = is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
	if (bind(fd, any, is_v4 ? sizeof(v4) : sizeof(v6)) < 0)
		return error_set(err, ERROR_USAGE,
			"address %s is not one of this machine's: give the one it has on the data network",
			address);
	return 0;
}

int setup_check(const struct clusterd *cd, const struct setup_node *node, struct error *err)
{
	if (cd->in_cluster)
		return error_set(err, ERROR_EXISTS,
			"this node is in a cluster already, as %s (%s): nothing was changed", cd->config.node,
			cd->config_path);
	if (name_check("node", node->node, err) < 0 || name_check("site", node->site, err) < 0 ||
		address_check("address", node->address, err) < 0)
		return -1;
	return address_is_ours(node->address, err);
}

int setup_random_key(unsigned char key[SETUP_KEY_BYTES], struct error *err)
{
	if (getrandom(key, SETUP_KEY_BYTES, 0) != SETUP_KEY_BYTES)
		return error_set_errno(err, errno, "getting random bytes");
	return 0;
}

// ---- files

static void give_to(const char *path, const char *user, const char *group, mode_t mode)
{
	const struct passwd *owner = user ? getpwnam(user) : NULL;
	const struct group *of = getgrnam(group);

	if (chown(path, owner ? owner->pw_uid : 0, of ? of->gr_gid : 0) < 0 || chmod(path, mode) < 0)
		log_warning("%s: its owner could not be set: %s", path, strerror(errno));
}

// What was there before is kept, for the undoing and for whoever misses it.
static int put_aside(const char *path, struct error *err)
{
	cleanup_free char *aside = g_strdup_printf("%s" ASIDE, path);

	if (rename(path, aside) == 0)
		return 0;
	if (errno != ENOENT)
		return error_set_errno(err, errno, "putting %s aside", path);
	return file_remove(aside, err); // of an earlier cluster: not what was here before this one
}

static void put_back(const char *path)
{
	cleanup_free char *aside = g_strdup_printf("%s" ASIDE, path);
	struct error err = ERROR_INIT;

	if (file_remove(path, &err) < 0)
		log_warning("undoing: %s", err.message);
	if (rename(aside, path) < 0 && errno != ENOENT)
		log_warning("undoing: putting %s back: %s", path, strerror(errno));
}

static int seed_cib(struct clusterd *cd, struct error *err)
{

	if (file_make_directory(CIB_DIRECTORY, 0750, err) < 0)
		return -1;
	for (size_t i = 0; i < G_N_ELEMENTS(cib_files); i++)
		if (put_aside(cib_files[i], err) < 0)
			return -1;
	cd->setup_undo |= UNDO_CIB;
	give_to(CIB_DIRECTORY, "hacluster", "haclient", 0750);
	if (file_write_atomic(CIB_FILE, seed, strlen(seed), 0600, err) < 0)
		return -1;
	give_to(CIB_FILE, "hacluster", "haclient", 0600);
	return 0;
}

static int save_config(struct clusterd *cd, const struct setup_node *node, struct error *err)
{
	struct config config = cd->config; // the strings stay cd's, but for these

	config.node = (char *)node->node;
	config.site = (char *)node->site;
	config.address = (char *)node->address;
	return config_save(cd->config_path, &config, err);
}

int setup_write(struct clusterd *cd, const struct setup_node *node, const struct setup_files *files,
	struct error *err)
{
	if (file_make_directory("/etc/corosync", 0755, err) < 0 ||
		file_make_directory("/etc/pacemaker", 0750, err) < 0 ||
		file_make_directory("/var/log/corosync", 0755, err) < 0)
		return -1;
	for (size_t i = 0; i < G_N_ELEMENTS(other_files); i++)
		if (put_aside(other_files[i], err) < 0)
			return -1;
	cd->setup_undo |= UNDO_FILES;
	if (file_write_atomic(
		    SETUP_COROSYNC_CONF, files->corosync_conf, strlen(files->corosync_conf), 0644, err) < 0 ||
		file_write_atomic(
			SETUP_COROSYNC_KEY, files->corosync_key, files->corosync_key_bytes, 0400, err) < 0 ||
		file_write_atomic(
			SETUP_PACEMAKER_KEY, files->pacemaker_key, files->pacemaker_key_bytes, 0640, err) < 0)
		return -1;
	give_to(SETUP_PACEMAKER_KEY, NULL, "haclient", 0640);
	return save_config(cd, node, err);
}

// ---- services

static int systemctl(const char *verb, const char *option, const char *unit, struct error *err)
{
	const char *argv[] = { "systemctl", verb, option ? option : unit, option ? unit : NULL, NULL };

	return spawn_run(argv, SERVICE_TIMEOUT_MS, NULL, err);
}

// What may not even be installed: its failure is no news.
static void systemctl_may_fail(const char *verb, const char *option, const char *unit)
{
	struct error err = ERROR_INIT;

	if (systemctl(verb, option, unit, &err) < 0)
		log_debug("%s", err.message);
}

int setup_start_services(struct clusterd *cd, struct rpc_call *call, bool witness, struct error *err)
{
	const char *const units[] = { "corosync", witness ? "corosync-qdevice" : NULL, "pacemaker" };

	rpc_call_progress(call, 10, "stopping what ran before");
	systemctl_may_fail("disable", "--now", "drbd.service");
	systemctl_may_fail("stop", NULL, "pacemaker");
	systemctl_may_fail("stop", NULL, "corosync-qdevice");
	systemctl_may_fail("stop", NULL, "corosync");
	if (seed_cib(cd, err) < 0)
		return -1;
	// hypervisord takes up the node's name and its certificate; its guests do not notice.
	rpc_call_progress(call, 20, "starting hypervisord with its new name");
	if (systemctl("enable", NULL, "holdfast-hypervisord", err) < 0 ||
		systemctl("enable", NULL, "holdfast-clusterd", err) < 0 ||
		systemctl("restart", NULL, "holdfast-hypervisord", err) < 0)
		return -1;
	for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
		if (!units[i])
			continue;
		rpc_call_progress(call, 30 + 10 * (double)i, "starting %s", units[i]);
		if (systemctl("enable", "--now", units[i], err) < 0)
			return -1;
	}
	return 0;
}

void setup_undo(struct clusterd *cd)
{
	static const char *const units[] = { "pacemaker", "corosync-qdevice", "corosync" };
	static const char *const pki[] = { "ca.pem", "ca.key", "node.pem", "node.key" };
	const struct setup_node nowhere = { .node = "", .site = "", .address = "" };
	struct error err = ERROR_INIT;

	task_uncancel(task_self());
	for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
		systemctl_may_fail("disable", "--now", units[i]);
	if (save_config(cd, &nowhere, &err) < 0)
		log_warning("undoing: %s", err.message);
	for (size_t i = 0; (cd->setup_undo & UNDO_CIB) && i < G_N_ELEMENTS(cib_files); i++)
		put_back(cib_files[i]);
	for (size_t i = 0; (cd->setup_undo & UNDO_FILES) && i < G_N_ELEMENTS(other_files); i++)
		put_back(other_files[i]);
	cd->setup_undo = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(pki); i++) {
		cleanup_free char *path = g_strdup_printf("%s/%s", CONFIG_PKI_DIRECTORY, pki[i]);
		if (file_remove(path, &err) < 0)
			log_warning("undoing: %s", err.message);
	}
}

// ---- waiting

static const char *what_is_missing(const struct clusterd *cd)
{
	const struct membership_state *members = membership_state(cd->membership);

	if (!members->connected)
		return "corosync does not answer yet";
	if (!members->quorate)
		return members->witness == WITNESS_LOST ? "no quorum yet: the witness does not answer"
							: "no quorum yet";
	if (!cib_link_connected(cd->cib))
		return "Pacemaker does not answer yet";
	cleanup_snapshot struct snapshot *snapshot = cib_link_snapshot(cd->cib, NULL);
	if (!snapshot || !snapshot->cib->dc)
		return "Pacemaker has no coordinator (DC) yet";
	return NULL;
}

int setup_await_cluster(struct clusterd *cd, struct rpc_call *call, unsigned timeout_ms, struct error *err)
{
	int64_t deadline = loop_now_us() + timeout_ms * 1000ll;
	const char *missing, *told = NULL;

	while ((missing = what_is_missing(cd))) {
		int64_t left_ms = (deadline - loop_now_us()) / 1000;

		if (missing != told)
			rpc_call_progress(call, 70, "%s", missing);
		told = missing;
		// Not at their own leisurely pace: somebody waits.
		membership_reconnect(cd->membership);
		if (membership_state(cd->membership)->connected && !cib_link_connected(cd->cib))
			cib_link_start(cd->cib);
		if (left_ms <= 0)
			return error_set(err, ERROR_TIMEOUT,
				"the cluster did not come up in %u s: %s; see corosync's and Pacemaker's "
				"logs",
				timeout_ms / 1000, missing);
		if (notice_look(&cd->changed, left_ms < 500 ? (unsigned)left_ms : 500, "the cluster", err) < 0)
			return -1;
	}
	return 0;
}
