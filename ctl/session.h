// SPDX-License-Identifier: GPL-3.0-or-later
// One run of the command: the way to a daemon, the request, its progress on the terminal, and the answer printed as asked for. A verb
// fills a request and calls one function of this.
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include "common/loop.h"
#include "common/rpc.h"
#include "common/task.h"
#include "ctl/args.h"
#include "ctl/print.h"
#include "ctl/show.h"

#define SESSION_QUERY_MS 30000u		// status and lists
#define SESSION_LONG_MS 86400000u	// whatever copies disks
#define SESSION_CHANGE_MS 900000u	// whatever moves, starts, stops or makes something

struct session {
	const struct args *args;
	struct loop *loop;
	struct task *task;		// the verb's
	struct printer printer;		// stdout
	bool progress;			// stderr is a terminal
	bool progress_shown;		// the line there is a progress
	bool standalone;		// it is hypervisord that answers
	int signal;			// what ended it; 0: nothing
	struct tls_context *tls;
	struct rpc_client *client;	// NULL until session_connect
};

int session_connect(struct session *session, struct error *err) MUST_CHECK;	// waits; once is enough
void session_done(struct session *session);

// Connects if need be, calls, shows progress. PARTIAL (may be NULL) gets events and data. *reply is the caller's to free.
int session_call(struct session *session, Holdfast__Request *request, unsigned timeout_ms, rpc_partial_cb *partial, void *data,
		 Holdfast__Reply **reply, struct error *err) MUST_CHECK;	// waits
// The message that a reply carries; NULL if it is none (done, data).
const ProtobufCMessage *session_message(const Holdfast__Reply *reply);

// For a verb that asks: the answer must be BODY; it is printed as JSON or with SHOW.
int session_query(struct session *session, Holdfast__Request *request, Holdfast__Reply__BodyCase body, show_fn *show,
		  struct error *err) MUST_CHECK;	// waits
// For a verb that changes something: prints the answer's message as JSON, or {"name": NAME}; without --json the line "DONE", a format
// with one %s for the name. A move is shown with its steps.
int session_change(struct session *session, Holdfast__Request *request, const char *name, const char *done,
		   struct error *err) MUST_CHECK;	// waits

// The same for what takes as long as its disks are large: for a day at most.
int session_change_long(struct session *session, Holdfast__Request *request, const char *name, const char *done,
			struct error *err) MUST_CHECK;	// waits

// The same for requests that are nothing (Empty), or the name of something (Name).
int session_ask(struct session *session, Holdfast__Request__BodyCase what, Holdfast__Reply__BodyCase body, show_fn *show,
		struct error *err) MUST_CHECK;	// waits
int session_ask_for(struct session *session, Holdfast__Request__BodyCase what, char *name, Holdfast__Reply__BodyCase body,
		    show_fn *show, struct error *err) MUST_CHECK;	// waits
int session_do(struct session *session, Holdfast__Request__BodyCase what, char *name, const char *done, struct error *err) MUST_CHECK;	// waits

void session_clear_progress(struct session *session);

#endif
