// SPDX-License-Identifier: GPL-3.0-or-later
// PID 1 of a lab node: makes its root, runs the set-up script, then serves the host's commands and the node's services and reaps.
// Only wires the parts together. LAB_NODE_DIR on the kernel's command line names the node's directory on the host.
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "deploy/lab/node/commands.h"
#include "deploy/lab/node/keeper.h"
#include "deploy/lab/node/requests.h"
#include "deploy/lab/node/stage.h"

#define CHANNEL "/dev/tty1"
#define SERIAL_PORTS 4
#define LINE_MAX_BYTES 256

struct node {
	struct loop *loop;
	int channel;
	struct commands *commands;
	struct units *units;
	struct requests *requests;
	pid_t keeper;
	char line[LINE_MAX_BYTES];
	size_t line_bytes;
};

static int open_raw(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	struct termios terminal;

	if (fd < 0 || tcgetattr(fd, &terminal) < 0)
		return fd;
	cfmakeraw(&terminal);
	tcsetattr(fd, TCSANOW, &terminal);
	return fd;
}

// Byte-exact output: no CR is added. They stay open, or the setting would be lost with the last close.
static void keep_serial_ports_raw(void)
{
	char path[32];

	for (int i = 0; i < SERIAL_PORTS; i++) {
		snprintf(path, sizeof(path), "/dev/ttyS%d", i);
		if (open_raw(path) < 0)
			fprintf(stderr, "nodeinit: no %s\n", path);
	}
}

static enum loop_verdict channel_readable(int fd, short events, void *data)
{
	struct node *node = data;
	char bytes[512];
	ssize_t count = read(fd, bytes, sizeof(bytes));

	(void)events;
	for (ssize_t i = 0; i < count; i++) {
		if (bytes[i] != '\n') {
			if (node->line_bytes < sizeof(node->line) - 1)
				node->line[node->line_bytes++] = bytes[i];
			continue;
		}
		node->line[node->line_bytes] = '\0';
		node->line_bytes = 0;
		if (!commands_line(node->commands, node->line))
			fprintf(stderr, "nodeinit: the host says what nobody understands: %s\n", node->line);
	}
	return LOOP_CONTINUE;
}

static void child_ended(int signum, void *data)
{
	struct node *node = data;
	struct error err = ERROR_INIT;
	int status;
	pid_t pid;

	(void)signum;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == node->keeper && keeper_start(&node->keeper, &err) < 0)
			fprintf(stderr, "nodeinit: %s\n", err.message);
		else if (!commands_child_ended(node->commands, pid, status))
			units_child_ended(node->units, pid, status);
	}
}

static void units_changed(void *data)
{
	struct node *node = data;

	requests_units_changed(node->requests);
}

static void shut_down(enum shutdown_kind kind, void *data)
{
	struct node *node = data;

	sync();
	if (kind == SHUTDOWN_POWEROFF) {
		dprintf(node->channel, "poweroff\n");
		tcdrain(node->channel);
	}
	reboot(kind == SHUTDOWN_POWEROFF ? RB_POWER_OFF : RB_AUTOBOOT);
}

static int run_setup(struct error *err)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/bash", "bash", "/lab/bin/setup", NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return error_set_errno(err, errno, "cannot run the set-up script");
	if (status != 0)
		return error_set(err, ERROR_FAILED, "the set-up script failed");
	return 0;
}

static int read_params(const char *node_directory, char **product, char **build, struct error *err)
{
	cleanup_free char *path = g_build_filename(node_directory, "node.conf", NULL);
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autoptr(GError) why = NULL;

	if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &why))
		return error_set(err, ERROR_FAILED, "cannot read %s: %s", path, why->message);
	*product = g_key_file_get_string(file, "node", "stage", NULL);
	*build = g_key_file_get_string(file, "node", "build", NULL);
	return *product && *build ? 0 : error_set(err, ERROR_FAILED, "%s names no stage or no build", path);
}

static int serve(struct node *node, struct error *err)
{
	node->channel = open_raw(CHANNEL);
	if (node->channel < 0)
		return error_set_errno(err, errno, "cannot open " CHANNEL);
	keep_serial_ports_raw();
	node->loop = loop_new();
	if (keeper_start(&node->keeper, err) < 0)
		return -1;
	node->commands = commands_new(node->loop, node->channel);
	node->units = units_new(node->loop, units_changed, node, err);
	if (!node->units)
		return -1;
	node->requests = requests_new(node->loop, node->units, shut_down, node, err);
	if (!node->requests)
		return -1;
	loop_add_signal(node->loop, SIGCHLD, child_ended, node);
	loop_add_fd(node->loop, node->channel, POLLIN, channel_readable, node);
	dprintf(node->channel, "ready\n");
	requests_start_enabled(node->requests);
	loop_run(node->loop);
	return 0;
}

static int boot(struct node *node, struct error *err)
{
	const char *node_directory = getenv("LAB_NODE_DIR");
	cleanup_free char *product = NULL;
	cleanup_free char *build = NULL;

	if (getpid() != 1 || !node_directory)
		return error_set(err, ERROR_USAGE, "this is PID 1 of the lab's nodes, nothing else");
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	signal(SIGPIPE, SIG_IGN);
	if (read_params(node_directory, &product, &build, err) < 0)
		return -1;
	const struct stage_params params = { node_directory, product, build };
	if (stage_enter(&params, err) < 0 || run_setup(err) < 0)
		return -1;
	return serve(node, err);
}

int main(void)
{
	struct error err = ERROR_INIT;
	struct node node = { .channel = -1 };

	if (boot(&node, &err) < 0)
		fprintf(stderr, "nodeinit: %s\n", err.message);
	// PID 1 must not just end: that would be a panic without a reason on the console.
	if (getpid() == 1) {
		sync();
		reboot(RB_POWER_OFF);
	}
	return 1;
}
