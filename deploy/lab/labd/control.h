// SPDX-License-Identifier: GPL-3.0-or-later
// The control socket (RUNTIME/control) that the `lab` command speaks to: one line of words per request, answered by `ok`, `error CODE
// TEXT` (CODE as exit statuses), or more lines before them. verbs.c has the requests.
#ifndef LABD_CONTROL_H
#define LABD_CONTROL_H

#include "common/loop.h"
#include "deploy/lab/labd/channel.h"
#include "deploy/lab/labd/nodes.h"
#include "deploy/lab/labd/switch.h"

// Everything that a request may touch.
struct lab {
	struct loop *loop;
	const struct lab_config *config;
	struct faults *faults;
	struct lab_switch *network;
	struct nodes *nodes;
	struct channels *channels;
};

struct control;
struct control_client;

struct control *control_new(struct lab *lab, struct error *err) MUST_CHECK;
void control_free(struct control *control);	// while the channels are still there

// ---- for verbs.c

#define CONTROL_WORDS_MAX 8

// WORDS ends with NULL. Answers at once or later, once.
typedef void control_verb_fn(struct control_client *client, struct lab *lab, char **words);
struct control_verb {
	const char *name;
	unsigned words;		// after the verb
	control_verb_fn *run;
};
const struct control_verb *control_verb_find(const char *name);

void control_line(struct control_client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The last line of an answer: `ok`, or the error.
void control_answer(struct control_client *client, const struct error *err);
// The command that this client runs in a node; NULL: none.
struct exec_job **control_job(struct control_client *client);
// For callbacks that may come after the client has hung up: keeps it valid, and silent then.
void control_hold(struct control_client *client);
void control_release(struct control_client *client);

#endif
