// SPDX-License-Identifier: GPL-3.0-or-later
// hypervisord: reads options and configuration, wires the rooms together, takes the guests up again, serves requests until it is told to stop.
// It leaves the guests alone when it ends, however it ends.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include "config.h"
#include "common/cage.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "hypervisor/accel.h"
#include "hypervisor/adopt.h"
#include "hypervisor/control.h"
#include "hypervisor/console-log.h"
#include "hypervisor/handlers.h"
#include "hypervisor/health.h"
#include "hypervisor/host-events.h"
#include "migrate/migrate.h"

#define EXIT_RETRY_MS 50
#define WATCHDOG_SHARE 3 // pings per watchdog period
#define END_TASKS_MS 5000
#define LOCK_TRIES 20
#define LOCK_TRY_MS 100

struct options {
	const char *config, *run_directory, *state_directory, *socket, *pki, *log;
	bool standalone, debug;
};

struct daemon {
	struct options options;
	struct hypervisor hv;
	struct rpc_handler *local;
	struct rpc_server *server, *peers;
	struct tls_context *tls;
	struct moves *moves;
	struct loop_source *exit_timer;
	int lock; // on the run directory
	struct error failure; // why the start did not work out
	bool failed;
};

static const char usage_text[] =
	"usage: hypervisord [OPTION]...\n"
	"The hypervisor of one node: runs its virtual machines and answers at " RPC_HYPERVISORD_SOCKET ".\n\n"
	"  --standalone        a single machine without a cluster: groups and VMs are defined and started "
	"here\n"
	"  --config FILE       configuration (" CONFIG_FILE ")\n"
	"  --run-dir DIR       what must be known while it runs (" CONFIG_RUN_DIRECTORY ")\n"
	"  --state-dir DIR     what outlives the machine (" CONFIG_STATE_DIRECTORY ")\n"
	"  --socket PATH       where requests come in (RUN-DIR/hypervisord.sock)\n"
	"  --pki DIR           the node's certificates (" CONFIG_PKI_DIRECTORY ")\n"
	"  --log FILE          log to FILE instead of stderr\n"
	"  --debug             log debug messages too\n"
	"  --foreground        stay in the foreground: always so\n"
	"  --version, --help\n";

enum {
	OPTION_STANDALONE = 256,
	OPTION_CONFIG,
	OPTION_RUN,
	OPTION_STATE,
	OPTION_SOCKET,
	OPTION_PKI,
	OPTION_LOG,
	OPTION_DEBUG,
	OPTION_FOREGROUND,
	OPTION_VERSION,
	OPTION_HELP
};

static const struct option long_options[] = {
	{ "standalone", no_argument, NULL, OPTION_STANDALONE },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "run-dir", required_argument, NULL, OPTION_RUN },
	{ "state-dir", required_argument, NULL, OPTION_STATE },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "pki", required_argument, NULL, OPTION_PKI },
	{ "log", required_argument, NULL, OPTION_LOG },
	{ "debug", no_argument, NULL, OPTION_DEBUG },
	{ "foreground", no_argument, NULL, OPTION_FOREGROUND },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

// -1: go on; else the exit status.
static int parse_options(int argc, char **argv, struct options *options)
{
	*options = (struct options){ .config = CONFIG_FILE,
		.run_directory = CONFIG_RUN_DIRECTORY,
		.state_directory = CONFIG_STATE_DIRECTORY,
		.pki = CONFIG_PKI_DIRECTORY };
	for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
		switch (option) {
		case OPTION_STANDALONE:
			options->standalone = true;
			break;
		case OPTION_CONFIG:
			options->config = optarg;
			break;
		case OPTION_RUN:
			options->run_directory = optarg;
			break;
		case OPTION_STATE:
			options->state_directory = optarg;
			break;
		case OPTION_SOCKET:
			options->socket = optarg;
			break;
		case OPTION_PKI:
			options->pki = optarg;
			break;
		case OPTION_LOG:
			options->log = optarg;
			break;
		case OPTION_DEBUG:
			options->debug = true;
			break;
		case OPTION_FOREGROUND:
			break;
		case OPTION_VERSION:
			puts("hypervisord (Holdfast) " PACKAGE_VERSION);
			return 0;
		case OPTION_HELP:
			fputs(usage_text, stdout);
			return 0;
		default:
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "hypervisord: unexpected \"%s\": see hypervisord --help\n", argv[optind]);
		return 2;
	}
	return -1;
}

// ---- start

static void on_storage_event(const char *group, const char *text, void *data)
{
	host_event(data, "replica", group, NULL, 0, 0, NULL, 0, "%s", text);
}

static int make_directories(const struct options *options, const char *api_group, struct error *err)
{
	char path[512];
	if (file_make_directory(options->run_directory, 0755, err) ||
		file_make_directory(options->state_directory, 0700, err))
		return -1;
	// It holds the administrators' sockets: their group may enter it, and nobody else, guests' users least of all.
	if (file_let_group_in(options->run_directory, api_group, err))
		return -1;
	// Guests' sockets and records are root's.
	snprintf(path, sizeof(path), "%s/vms", options->run_directory);
	if (file_make_directory(path, 0700, err))
		return -1;
	snprintf(path, sizeof(path), "%s/groups", options->run_directory);
	return file_make_directory(path, 0700, err);
}

// Before anything of the run directory is touched: two hypervisords would take up the same guests. The lock is inherited by a process that is
// being spawned, until its exec: a moment's patience for the hypervisord that was killed just then.
static int lock_run_directory(struct daemon *daemon, struct error *err)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/hypervisord.lock", daemon->options.run_directory);
	daemon->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (daemon->lock < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	for (int i = 0; flock(daemon->lock, LOCK_EX | LOCK_NB); i++) {
		if (i == LOCK_TRIES)
			return error_set(err, ERROR_EXISTS,
				"another hypervisord is at work in %s: end it first, or give this one "
				"directories of its own",
				daemon->options.run_directory);
		poll(NULL, 0, LOCK_TRY_MS);
	}
	return 0;
}

static int make_cage(struct hypervisor *hv, struct error *err)
{
	char base[512];
	snprintf(base, sizeof(base), "%s/root", hv->run.root);
	if (file_make_directory(base, 0700, err))
		return -1;
	struct cage_options options = {
		.kind = strcmp(hv->config.isolation, "basic") ? CAGE_FULL : CAGE_BASIC,
		.base = base,
		.visible = hv->config.visible,
		.core_dumps = !strcmp(hv->config.core_dumps, "yes"),
	};
	hv->cage = cage_new(&options, err);
	return hv->cage ? 0 : -1;
}

static size_t table_count(const struct rpc_handler *table)
{
	size_t count = 0;
	while (table[count].body)
		count++;
	return count;
}

static int join_tables(struct daemon *daemon, struct error *err)
{
	static const struct rpc_handler none[] = { { 0 } };
	const struct rpc_handler *tables[] = { host_handlers, vm_handlers, disk_handlers, checkpoint_handlers,
		daemon->hv.standalone ? disk_standalone_handlers : none,
		daemon->hv.standalone ? standalone_handlers : migrate_local_handlers };
	size_t count = 0;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		count += table_count(tables[i]);
	daemon->local = calloc(count + 1, sizeof(*daemon->local));
	if (!daemon->local)
		return error_set(err, ERROR_FAILED, "no memory");
	count = 0;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		memcpy(daemon->local + count, tables[i], table_count(tables[i]) * sizeof(*daemon->local));
		count += table_count(tables[i]);
	}
	return 0;
}

// A node has certificates once it is in a cluster; until then there is nobody to move guests to.
static int open_moves(struct daemon *daemon, struct error *err)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/node.pem", daemon->options.pki);
	if (daemon->hv.standalone)
		return 0;
	if (access(path, R_OK)) {
		log_info("no certificate of this node at %s: no moves until it is in a cluster", path);
	} else {
		daemon->tls = tls_context_load(daemon->options.pki, err);
		if (!daemon->tls)
			return -1;
	}
	daemon->moves = moves_open(&daemon->hv, daemon->tls, daemon->hv.state_directory, err);
	return daemon->moves ? 0 : -1;
}

static int open_rooms(struct daemon *daemon, struct error *err)
{
	struct hypervisor *hv = &daemon->hv;
	hv->run.root = daemon->options.run_directory;
	hv->state_directory = daemon->options.state_directory;
	hv->standalone = daemon->options.standalone;
	if (config_load(daemon->options.config, &hv->config, err) ||
		make_directories(&daemon->options, hv->config.api_group, err) ||
		lock_run_directory(daemon, err) || accel_choose(hv->config.accel, &hv->kvm, err) ||
		make_cage(hv, err))
		return -1;
	if (access(hv->config.qemu, X_OK))
		return error_set_errno(err, errno, "QEMU cannot be run at %s (qemu= in %s)", hv->config.qemu,
			daemon->options.config);
	hv->groups = groups_new();
	hv->events = host_events_open(hv, err);
	struct storage_paths paths = { .state = hv->state_directory, .run = hv->run.root };
	hv->storage =
		hv->events ? storage_open_at(hv->loop, &hv->config, &paths, on_storage_event, hv, err) : NULL;
	if (!hv->groups || !hv->storage)
		return -1;
	return open_moves(daemon, err);
}

static int listen_all(struct daemon *daemon, struct error *err)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/hypervisord.sock", daemon->options.run_directory);
	if (join_tables(daemon, err))
		return -1;
	daemon->server = rpc_server_new(daemon->hv.loop, daemon->local, &daemon->hv);
	if (!daemon->server)
		return error_set(err, ERROR_FAILED, "no memory");
	if (daemon->tls) {
		daemon->peers = rpc_server_new(daemon->hv.loop, migrate_peer_handlers, &daemon->hv);
		if (!daemon->peers)
			return error_set(err, ERROR_FAILED, "no memory");
		const char *address = daemon->hv.config.address;
		if (rpc_server_listen_tls(daemon->peers, address[0] ? address : NULL, RPC_HYPERVISORD_PORT,
			    daemon->tls, err))
			return -1;
	}
	return rpc_server_listen_unix(daemon->server, daemon->options.socket ? daemon->options.socket : path,
		daemon->hv.config.api_group, err);
}

static int start(struct daemon *daemon, struct error *err)
{
	struct hypervisor *hv = &daemon->hv;
	struct error local = ERROR_INIT;
	if (!hv->standalone && storage_bring_up(hv->storage, &local))
		log_error("replicas: %s", local.message);
	error_clear(&local);
	control_open(hv);
	if (control_problem(hv)[0])
		log_warning("guests are not held to all of their settings here: %s", control_problem(hv));
	if (adopt_guests(hv, err))
		return -1;
	if (daemon->moves && moves_recover(daemon->moves, &local))
		log_error("moves: %s", local.message);
	if (listen_all(daemon, err))
		return -1;
	adopt_finish(hv);
	console_log_keep_small(hv);
	health_begin(hv);
	if (!hv->standalone)
		cpu_models_find(hv);
	if (hv->standalone && standalone_load(hv, err))
		return -1;
	log_info("hypervisord %s is up: node %s, %s, guests run with %s", PACKAGE_VERSION, hv->config.node,
		hv->standalone ? "stand-alone" : "in a cluster", hv->kvm ? "KVM" : "TCG");
	sd_notify(0, "READY=1");
	return 0;
}

static void start_task(void *data)
{
	struct daemon *daemon = data;
	if (!start(daemon, &daemon->failure))
		return;
	daemon->failed = true;
	loop_quit(daemon->hv.loop);
}

// ---- end

static enum loop_verdict try_exit(void *data)
{
	struct daemon *daemon = data;
	const struct move_hooks *hooks = &daemon->hv.move_hooks;
	if (hooks->may_not_exit && hooks->may_not_exit(hooks->moves))
		return LOOP_CONTINUE;
	loop_quit(daemon->hv.loop);
	return LOOP_STOP;
}

static void on_stop(int signum, void *data)
{
	struct daemon *daemon = data;
	if (daemon->exit_timer)
		return;
	log_info("signal %d: hypervisord ends, its guests run on", signum);
	sd_notify(0, "STOPPING=1");
	// Between a move's stop and its commit the guest would wait for the next start: a moment's patience instead.
	daemon->exit_timer = loop_add_timer(daemon->hv.loop, EXIT_RETRY_MS, try_exit, daemon);
}

static void on_dump(int signum, void *data)
{
	log_dump_blackbox();
}

static enum loop_verdict ping_watchdog(void *data)
{
	sd_notify(0, "WATCHDOG=1");
	return LOOP_CONTINUE;
}

static void start_watchdog(struct loop *loop)
{
	uint64_t us = 0;
	if (sd_watchdog_enabled(0, &us) > 0 && us)
		loop_add_timer(loop, (unsigned)(us / 1000 / WATCHDOG_SHARE), ping_watchdog, NULL);
}

static void close_rooms(struct daemon *daemon)
{
	struct hypervisor *hv = &daemon->hv;
	rpc_server_free(daemon->peers);
	rpc_server_free(daemon->server);
	task_end_all(hv->loop, END_TASKS_MS);
	if (daemon->moves)
		moves_close(daemon->moves);
	groups_free(hv->groups);
	if (hv->storage)
		storage_close(hv->storage);
	host_events_close(hv->events);
	tls_context_free(daemon->tls);
	free(daemon->local);
	free(hv->health);
	cpu_models_done(&hv->cpu_models);
	cage_free(hv->cage);
	config_done(&hv->config);
	loop_free(hv->loop);
	cleanup_fd_p(&daemon->lock);
}

int main(int argc, char **argv)
{
	struct daemon daemon = { .lock = -1 };
	char blackbox[512];
	int status = parse_options(argc, argv, &daemon.options);
	if (status >= 0)
		return status;
	snprintf(blackbox, sizeof(blackbox), "%s/hypervisord.blackbox", daemon.options.state_directory);
	log_open(&(struct log_options){ .program = "hypervisord",
		.file = daemon.options.log,
		.blackbox = blackbox,
		.debug = daemon.options.debug });
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	daemon.hv.loop = loop_new();
	loop_add_signal(daemon.hv.loop, SIGTERM, on_stop, &daemon);
	loop_add_signal(daemon.hv.loop, SIGINT, on_stop, &daemon);
	loop_add_signal(daemon.hv.loop, SIGUSR1, on_dump, &daemon);
	start_watchdog(daemon.hv.loop);
	if (open_rooms(&daemon, &daemon.failure) ||
		!task_start(daemon.hv.loop, "start", start_task, &daemon, &daemon.failure))
		daemon.failed = true;
	else
		loop_run(daemon.hv.loop);
	if (daemon.failed)
		fprintf(stderr, "hypervisord: %s\n", daemon.failure.message);
	close_rooms(&daemon);
	log_close();
	return daemon.failed ? 1 : 0;
}
