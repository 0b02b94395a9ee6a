// SPDX-License-Identifier: GPL-3.0-or-later
// labd: one lab's network, power and command channel. Only wires the parts together. Usage: labd CONFIG.json READY_FD; a newline on
// READY_FD says that the sockets are there. Ends on SIGTERM or the `down` request, when every node is gone.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "deploy/lab/labd/bmc.h"
#include "deploy/lab/labd/control.h"
#include "deploy/lab/labd/journal.h"

struct wiring {
	struct lab lab;
	struct bmcs *bmcs;
};

static void node_started(unsigned node, int channel, void *data)
{
	struct wiring *wiring = data;

	channels_started(wiring->lab.channels, node, channel);
}

static void node_ended(unsigned node, void *data)
{
	struct wiring *wiring = data;

	channels_ended(wiring->lab.channels, node);
}

static void node_powers_off(unsigned node, void *data)
{
	struct wiring *wiring = data;
	struct error err = ERROR_INIT;

	if (nodes_post(wiring->lab.nodes, node, GUEST_POWEROFF, NULL, NULL, &err) < 0)
		journal("%s", err.message);
}

static void bmc_frame(unsigned node, const uint8_t *frame, size_t bytes, void *data)
{
	struct wiring *wiring = data;

	bmcs_input(wiring->bmcs, node, frame, bytes);
}

static void bmc_answer(unsigned node, const uint8_t *frame, size_t bytes, void *data)
{
	struct wiring *wiring = data;

	switch_send_from_bmc(wiring->lab.network, node, frame, bytes);
}

static void all_gone(void *data)
{
	struct wiring *wiring = data;

	loop_quit(wiring->lab.loop);
}

static void told_to_end(int signum, void *data)
{
	struct wiring *wiring = data;

	journal("signal %d", signum);
	nodes_end_all(wiring->lab.nodes, all_gone, wiring);
}

static int run(const struct lab_config *config, int ready_fd, struct error *err)
{
	struct wiring wiring = { .lab.config = config };
	const struct nodes_watcher watcher = { node_started, node_ended, &wiring };
	struct lab *lab = &wiring.lab;
	struct control *control = NULL;
	int result = -1;

	lab->loop = loop_new();
	lab->faults = calloc(1, sizeof(*lab->faults));
	lab->channels = channels_new(lab->loop, config, node_powers_off, &wiring);
	lab->nodes = nodes_new(lab->loop, config, &watcher);
	wiring.bmcs = bmcs_new(lab->nodes, config, bmc_answer, &wiring);
	if (!lab->loop || !lab->faults || !lab->channels || !lab->nodes || !wiring.bmcs) {
		error_set(err, ERROR_FAILED, "out of memory");
		goto out;
	}
	lab->faults->config = config;
	lab->network = switch_new(lab->loop, config, lab->faults, err);
	if (!lab->network)
		goto out;
	switch_attach_bmcs(lab->network, bmc_frame, &wiring);
	loop_add_signal(lab->loop, SIGTERM, told_to_end, &wiring);
	loop_add_signal(lab->loop, SIGINT, told_to_end, &wiring);
	control = control_new(lab, err);
	if (!control)
		goto out;
	if (write(ready_fd, "\n", 1) == 1)
		close(ready_fd);
	loop_run(lab->loop);
	result = 0;
out:
	control_free(control);
	switch_free(lab->network);
	bmcs_free(wiring.bmcs);
	channels_free(lab->channels);
	nodes_free(lab->nodes);
	free(lab->faults);
	loop_free(lab->loop);
	return result;
}

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;
	struct lab_config config;
	int result;

	if (argc != 3) {
		fprintf(stderr, "usage: labd CONFIG.json READY_FD (started by the `lab` command)\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	result = lab_config_read(&config, argv[1], &err);
	if (result == 0)
		result = run(&config, atoi(argv[2]), &err);
	if (result < 0)
		fprintf(stderr, "labd: %s\n", err.message);
	lab_config_done(&config);
	return result < 0 ? 1 : 0;
}
