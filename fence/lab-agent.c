// SPDX-License-Identifier: GPL-3.0-or-later
// fence_holdfast_lab: the fence agent of the lab's nodes. Exit status: 0 done (status: the node is on), 1 failed, 2 status: it is off.
// Only wires options, client and metadata together.
#include <stdio.h>
#include <string.h>
#include "fence/lab-client.h"
#include "fence/lab-metadata.h"
#include "fence/lab-options.h"

#define PROGRAM "fence_holdfast_lab"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_IS_OFF = 2 };

static int ask_switch(const struct fence_options *options, struct error *err)
{
	static const enum bmc_word requests[FENCE_ACTIONS] = {
		[FENCE_ACTION_MONITOR] = BMC_STATUS,
		[FENCE_ACTION_STATUS] = BMC_STATUS,
		[FENCE_ACTION_OFF] = BMC_OFF,
		[FENCE_ACTION_ON] = BMC_ON,
		[FENCE_ACTION_REBOOT] = BMC_REBOOT,
	};
	enum bmc_word answer;

	if (fence_lab_ask(options->ip, options->key, requests[options->action], options->timeout_s, &answer,
		    err) < 0)
		return EXIT_FAILED;
	if (options->action == FENCE_ACTION_STATUS) {
		printf("Status: %s\n", answer == BMC_IS_ON ? "ON" : "OFF");
		return answer == BMC_IS_ON ? EXIT_DONE : EXIT_IS_OFF;
	}
	if (options->action != FENCE_ACTION_MONITOR)
		printf("Success: %s%s%s\n", fence_action_name(options->action),
			options->plug[0] ? " of " : "", options->plug);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct fence_options options;
	struct error err = ERROR_INIT;
	int status = EXIT_DONE;

	if (fence_options_parse(&options, argc, argv, stdin, &err) < 0)
		status = EXIT_FAILED;
	else if (options.action == FENCE_ACTION_METADATA)
		fputs(fence_lab_metadata, stdout);
	else if (options.action != FENCE_ACTION_VALIDATE)
		status = ask_switch(&options, &err);
	if (status == EXIT_FAILED)
		fprintf(stderr, PROGRAM ": %s\n", err.message);
	return status;
}
