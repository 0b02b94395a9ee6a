// SPDX-License-Identifier: GPL-3.0-or-later
// Connections of the control socket: lines in, lines out. A client that hung up while its answer was still to come is kept, silent, until
// that answer has been given. Knows no verb.
#include "deploy/lab/labd/control.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "common/cleanup.h"

#define LINE_MAX_BYTES 1024

struct control {
	struct lab *lab;
	int fd;
	struct loop_source *listener;
	LIST_HEAD(, control_client) clients;
};

struct control_client {
	LIST_ENTRY(control_client) link;
	struct lab *lab;
	int fd; // -1: hung up
	struct loop_source *reader;
	unsigned held; // answers that are still to come
	struct exec_job *job;
	char line[LINE_MAX_BYTES];
	size_t line_bytes;
};

static void client_free_if_done(struct control_client *client)
{
	if (client->fd >= 0 || client->held > 0)
		return;
	LIST_REMOVE(client, link);
	free(client);
}

// The reader is gone or being stopped by its caller.
static void client_hang_up(struct control_client *client)
{
	channels_forget_waiter(client->lab->channels, client);
	if (client->job) {
		exec_abandon(client->job);
		client->job = NULL;
	}
	close(client->fd);
	client->fd = -1;
	client->reader = NULL;
	client_free_if_done(client);
}

void control_line(struct control_client *client, const char *format, ...)
{
	cleanup_free char *text = NULL;
	va_list args;
	int bytes;

	if (client->fd < 0)
		return;
	va_start(args, format);
	bytes = vasprintf(&text, format, args);
	va_end(args);
	if (bytes < 0)
		return;
	// Answers are small beside the socket's buffer; a client that lets it fill up loses them.
	text[bytes] = '\n';
	if (send(client->fd, text, (size_t)bytes + 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

void control_answer(struct control_client *client, const struct error *err)
{
	if (err)
		control_line(client, "error %d %s", error_exit_status(err->code), err->message);
	else
		control_line(client, "ok");
}

struct exec_job **control_job(struct control_client *client)
{
	return &client->job;
}

void control_hold(struct control_client *client)
{
	client->held++;
}

void control_release(struct control_client *client)
{
	client->held--;
	client_free_if_done(client);
}

static void take_line(struct control_client *client, char *line)
{
	struct error err = ERROR_INIT;
	char *words[CONTROL_WORDS_MAX + 1] = { 0 }, *rest = NULL;
	const struct control_verb *verb;
	unsigned count = 0;

	for (char *word = strtok_r(line, " ", &rest); word && count < CONTROL_WORDS_MAX;
		word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	verb = count > 0 ? control_verb_find(words[0]) : NULL;
	if (!verb || count - 1 != verb->words) {
		error_set(&err, ERROR_USAGE, "labd does not understand '%s'", count > 0 ? words[0] : "");
		control_answer(client, &err);
		return;
	}
	verb->run(client, client->lab, words + 1);
}

static enum loop_verdict client_readable(int fd, short events, void *data)
{
	struct control_client *client = data;
	char bytes[1024];
	ssize_t count = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	(void)events;
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return LOOP_CONTINUE;
	if (count <= 0) {
		client_hang_up(client);
		return LOOP_STOP;
	}
	for (ssize_t i = 0; i < count; i++) {
		if (bytes[i] != '\n' && client->line_bytes < sizeof(client->line) - 1) {
			client->line[client->line_bytes++] = bytes[i];
		} else if (bytes[i] == '\n') {
			client->line[client->line_bytes] = '\0';
			client->line_bytes = 0;
			take_line(client, client->line);
		}
	}
	return LOOP_CONTINUE;
}

static enum loop_verdict client_connected(int listen_fd, short events, void *data)
{
	struct control *control = data;
	struct control_client *client;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return LOOP_CONTINUE;
	client = calloc(1, sizeof(*client));
	if (!client) {
		close(fd);
		return LOOP_CONTINUE;
	}
	client->lab = control->lab;
	client->fd = fd;
	client->reader = loop_add_fd(control->lab->loop, fd, POLLIN, client_readable, client);
	LIST_INSERT_HEAD(&control->clients, client, link);
	return LOOP_CONTINUE;
}

struct control *control_new(struct lab *lab, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct control *control = calloc(1, sizeof(*control));

	if (!control) {
		error_set(err, ERROR_FAILED, "out of memory");
		return NULL;
	}
	control->lab = lab;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", lab->config->runtime);
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->fd < 0 || bind(control->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(control->fd, 64) < 0) {
		error_set_errno(err, errno, "cannot listen on %s", address.sun_path);
		control_free(control);
		return NULL;
	}
	control->listener = loop_add_fd(lab->loop, control->fd, POLLIN, client_connected, control);
	return control;
}

void control_free(struct control *control)
{
	struct control_client *client;

	if (!control)
		return;
	// The loop is not run any more: nobody gives the answers that are still to come.
	while ((client = LIST_FIRST(&control->clients))) {
		client->held = 0;
		if (client->fd >= 0)
			client_hang_up(client);
		else
			client_free_if_done(client);
	}
	loop_source_remove(control->listener);
	if (control->fd >= 0)
		close(control->fd);
	free(control);
}
