// SPDX-License-Identifier: GPL-3.0-or-later
// clusterd: the cluster's face on this node. Options and wiring only.
#include <errno.h>
#include <getopt.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "config.h"
#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "clusterd/drain.h"
#include "clusterd/forward.h"
#include "clusterd/host-link.h"
#include "clusterd/policy.h"
#include "clusterd/watch.h"
#include "common/file.h"
#include "common/log.h"

#define END_TIMEOUT_MS 3000u

static void usage(FILE *out)
{
	fputs("usage: clusterd [--config FILE] [--log FILE] [--debug]\n"
	      "The cluster daemon of this node: see clusterd(8).\n"
	      "  --config FILE  instead of " CONFIG_FILE "\n"
	      "  --log FILE     instead of standard error\n"
	      "  --debug        debug messages in the log, not only in the black box\n"
	      "  --version      what this is\n",
		out);
}

static void on_membership(enum membership_change change, const struct member *member, void *data)
{
	struct clusterd *cd = data;

	watch_membership(cd->watch, change, member);
	notice_raise(&cd->changed);
}

static void on_snapshot(const struct cib_snapshot *cib, void *data)
{
	struct clusterd *cd = data;

	watch_snapshot(cd->watch, cib);
}

static void on_host_event(const Holdfast__Event *event, void *data)
{
	struct clusterd *cd = data;

	events_emit(cd->events, event);
}

static void on_end(int signum, void *data)
{
	struct clusterd *cd = data;

	log_info("signal %d: ending", signum);
	sd_notify(0, "STOPPING=1");
	loop_quit(cd->loop);
}

static void on_dump(int signum, void *data)
{
	(void)signum, (void)data;
	log_dump_blackbox();
}

static enum loop_verdict on_watchdog(void *data)
{
	(void)data;
	sd_notify(0, "WATCHDOG=1");
	return LOOP_CONTINUE;
}

static void start_watchdog(struct clusterd *cd)
{
	uint64_t us = 0;

	if (sd_watchdog_enabled(0, &us) > 0 && us > 0)
		loop_add_timer(cd->loop, (unsigned)(us / 3000), on_watchdog, cd);
}

static int wire(struct clusterd *cd, struct error *err)
{
	if (file_make_directory(CONFIG_RUN_DIRECTORY, 0755, err) < 0 ||
		file_make_directory(CONFIG_STATE_DIRECTORY, 0750, err) < 0)
		return -1;
	cd->peers = peers_new();
	cd->events = events_new(cd->loop, CONFIG_STATE_DIRECTORY "/events.jsonl", err);
	if (!cd->events)
		return -1;
	cd->moving = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	cd->watch = watch_new(cd);
	cd->cib = cib_link_new(cd->loop, &cd->changed, on_snapshot, cd);
	cd->membership = membership_new(cd->loop, on_membership, cd);
	cd->host = host_link_new(cd->loop, &cd->changed, on_host_event, cd, err);
	if (!cd->host)
		return -1;
	cd->policy = policy_new(cd, err);
	if (!cd->policy)
		return -1;
	cd->drain = drain_new(cd, err);
	if (!cd->drain)
		return -1;
	cd->server = api_server_new(cd);
	if (clusterd_enter_cluster(cd, err) < 0)
		log_error("%s", err->message); // an administrator must be able to ask what is wrong
	return rpc_server_listen_unix(cd->server, RPC_CLUSTERD_SOCKET, cd->config.api_group, err);
}

static int run(struct clusterd *cd)
{
	struct error err = ERROR_INIT;

	cd->loop = loop_new();
	loop_add_signal(cd->loop, SIGTERM, on_end, cd);
	loop_add_signal(cd->loop, SIGINT, on_end, cd);
	loop_add_signal(cd->loop, SIGUSR1, on_dump, cd);
	if (config_load(cd->config_path, &cd->config, &err) < 0 || wire(cd, &err) < 0) {
		log_error("%s", err.message);
		fprintf(stderr, "clusterd: %s\n", err.message);
		return 1;
	}
	start_watchdog(cd);
	sd_notify(0, "READY=1");
	loop_run(cd->loop);
	rpc_server_free(cd->server);
	task_end_all(cd->loop, END_TIMEOUT_MS);
	drain_free(cd->drain);
	policy_free(cd->policy);
	host_link_free(cd->host);
	cib_link_free(cd->cib);
	watch_free(cd->watch);
	peers_free(cd->peers);
	membership_free(cd->membership);
	events_free(cd->events);
	tls_context_free(cd->tls);
	config_done(&cd->config);
	g_hash_table_unref(cd->moving);
	g_free(cd->handlers);
	loop_free(cd->loop);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "log", required_argument, NULL, 'l' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	struct clusterd cd = { .config_path = CONFIG_FILE };
	struct log_options log = { .program = "clusterd",
		.blackbox = CONFIG_LOG_DIRECTORY "/clusterd.blackbox" };

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'c':
			cd.config_path = optarg;
			break;
		case 'l':
			log.file = optarg;
			break;
		case 'd':
			log.debug = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'v':
			puts("clusterd " PACKAGE_VERSION);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "clusterd: '%s' is not understood: see clusterd --help\n", argv[optind]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	log_open(&log);
	int status = run(&cd);
	log_close();
	return status;
}
