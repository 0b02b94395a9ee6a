// SPDX-License-Identifier: GPL-3.0-or-later
// Lines to and from the nodes, and who waits for them. Commands for a node that is not up yet are kept until it is.
#include "deploy/lab/labd/channel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include "common/cleanup.h"
#include "deploy/lab/labd/journal.h"

#define LINE_MAX_BYTES 256

struct exec_job {
	TAILQ_ENTRY(exec_job) link;
	struct channel *channel;
	char id[17];
	exec_news_cb *news; // NULL: nobody is interested any more
	void *data;
};

struct ready_waiter {
	TAILQ_ENTRY(ready_waiter) link;
	channel_ready_cb *ready;
	void *data;
};

struct channel {
	struct channels *owner;
	unsigned node;
	int fd;
	bool ready;
	struct loop_source *reader, *writer;
	char line[LINE_MAX_BYTES];
	size_t line_bytes;
	char *pending; // lines not written yet
	size_t pending_bytes;
	TAILQ_HEAD(, exec_job) jobs;
	TAILQ_HEAD(, ready_waiter) waiters;
};

struct channels {
	struct loop *loop;
	const struct lab_config *config;
	channel_poweroff_cb *poweroff;
	void *data;
	struct channel list[LAB_NODES_MAX];
};

static void flush_pending(struct channel *channel);

static enum loop_verdict channel_writable(int fd, short events, void *data)
{
	struct channel *channel = data;

	(void)fd, (void)events;
	channel->writer = NULL;
	flush_pending(channel);
	return LOOP_STOP;
}

static void flush_pending(struct channel *channel)
{
	ssize_t written;

	if (channel->fd < 0 || !channel->ready || channel->pending_bytes == 0 || channel->writer)
		return;
	written = write(channel->fd, channel->pending, channel->pending_bytes);
	if (written > 0) {
		channel->pending_bytes -= (size_t)written;
		memmove(channel->pending, channel->pending + written, channel->pending_bytes);
	}
	if (channel->pending_bytes > 0)
		channel->writer =
			loop_add_fd(channel->owner->loop, channel->fd, POLLOUT, channel_writable, channel);
}

static __attribute__((format(printf, 2, 3))) void send_line(struct channel *channel, const char *format, ...)
{
	char line[LINE_MAX_BYTES], *grown;
	va_list args;
	int bytes;

	va_start(args, format);
	bytes = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (bytes < 0 || bytes >= (int)sizeof(line))
		return;
	grown = realloc(channel->pending, channel->pending_bytes + (size_t)bytes);
	if (!grown)
		return;
	channel->pending = grown;
	memcpy(channel->pending + channel->pending_bytes, line, (size_t)bytes);
	channel->pending_bytes += (size_t)bytes;
	flush_pending(channel);
}

static struct exec_job *job_find(struct channel *channel, const char *id)
{
	struct exec_job *job;

	TAILQ_FOREACH(job, &channel->jobs, link)
	{
		if (strcmp(job->id, id) == 0)
			return job;
	}
	return NULL;
}

static void job_end(struct exec_job *job, enum exec_news news, int status)
{
	TAILQ_REMOVE(&job->channel->jobs, job, link);
	if (job->news)
		job->news(news, status, job->data);
	free(job);
}

static void tell_waiters(struct channel *channel)
{
	struct ready_waiter *waiter;

	while ((waiter = TAILQ_FIRST(&channel->waiters))) {
		TAILQ_REMOVE(&channel->waiters, waiter, link);
		waiter->ready(channel->ready, waiter->data);
		free(waiter);
	}
}

static void take_line(struct channel *channel, const char *line)
{
	struct channels *channels = channel->owner;
	struct exec_job *job;
	char id[17];
	int status;

	if (strcmp(line, "ready") == 0) {
		channel->ready = true;
		journal("node %s: up", channels->config->nodes[channel->node].name);
		flush_pending(channel);
		tell_waiters(channel);
	} else if (strcmp(line, "poweroff") == 0) {
		channels->poweroff(channel->node, channels->data);
	} else if (sscanf(line, "out %16[a-z0-9]", id) == 1) {
		job = job_find(channel, id);
		if (job && job->news)
			job->news(EXEC_OUTPUT, 0, job->data);
	} else if (sscanf(line, "exit %16[a-z0-9] %d", id, &status) == 2) {
		job = job_find(channel, id);
		if (job)
			job_end(job, EXEC_EXITED, status);
	} else {
		journal("node %s says what nobody understands: %s",
			channels->config->nodes[channel->node].name, line);
	}
}

// What read() says: bytes that were taken, 0 at the end, -1 with errno.
static ssize_t take_bytes(struct channel *channel)
{
	char bytes[1024];
	ssize_t count = read(channel->fd, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < count; i++) {
		if (bytes[i] != '\n') {
			if (channel->line_bytes < sizeof(channel->line) - 1)
				channel->line[channel->line_bytes++] = bytes[i];
			continue;
		}
		channel->line[channel->line_bytes] = '\0';
		channel->line_bytes = 0;
		take_line(channel, channel->line);
	}
	return count;
}

static enum loop_verdict channel_readable(int fd, short events, void *data)
{
	struct channel *channel = data;
	ssize_t count = take_bytes(channel);

	(void)fd, (void)events;
	if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
		channel->reader = NULL; // the end of the process follows
		return LOOP_STOP;
	}
	return LOOP_CONTINUE;
}

struct channels *channels_new(
	struct loop *loop, const struct lab_config *config, channel_poweroff_cb *poweroff, void *data)
{
	struct channels *channels = calloc(1, sizeof(*channels));

	if (!channels)
		return NULL;
	channels->loop = loop;
	channels->config = config;
	channels->poweroff = poweroff;
	channels->data = data;
	for (unsigned i = 0; i < LAB_NODES_MAX; i++) {
		struct channel *channel = &channels->list[i];

		channel->owner = channels;
		channel->node = i;
		channel->fd = -1;
		TAILQ_INIT(&channel->jobs);
		TAILQ_INIT(&channel->waiters);
	}
	return channels;
}

void channels_free(struct channels *channels)
{
	if (!channels)
		return;
	for (unsigned i = 0; i < LAB_NODES_MAX; i++)
		channels_ended(channels, i);
	free(channels);
}

void channels_started(struct channels *channels, unsigned node, int fd)
{
	struct channel *channel = &channels->list[node];

	channel->fd = fd;
	channel->line_bytes = 0;
	channel->reader = loop_add_fd(channels->loop, fd, POLLIN, channel_readable, channel);
}

void channels_ended(struct channels *channels, unsigned node)
{
	struct channel *channel = &channels->list[node];
	struct exec_job *job;

	// The node's end may be seen before its last words: that it switches itself off, or how a command ended.
	while (channel->fd >= 0 && take_bytes(channel) > 0)
		continue;
	loop_source_remove(channel->reader);
	loop_source_remove(channel->writer);
	channel->reader = channel->writer = NULL;
	channel->fd = -1;
	channel->ready = false;
	free(channel->pending);
	channel->pending = NULL;
	channel->pending_bytes = 0;
	while ((job = TAILQ_FIRST(&channel->jobs)))
		job_end(job, EXEC_GONE, 0);
	tell_waiters(channel);
}

bool channels_ready(const struct channels *channels, unsigned node)
{
	return channels->list[node].ready;
}

void channels_wait_ready(struct channels *channels, unsigned node, channel_ready_cb *ready, void *data)
{
	struct channel *channel = &channels->list[node];
	struct ready_waiter *waiter;

	if (channel->ready || !(waiter = calloc(1, sizeof(*waiter)))) {
		ready(channel->ready, data);
		return;
	}
	waiter->ready = ready;
	waiter->data = data;
	TAILQ_INSERT_TAIL(&channel->waiters, waiter, link);
}

void channels_forget_waiter(struct channels *channels, void *data)
{
	for (unsigned i = 0; i < LAB_NODES_MAX; i++) {
		struct ready_waiter *waiter, *next;

		for (waiter = TAILQ_FIRST(&channels->list[i].waiters); waiter; waiter = next) {
			next = TAILQ_NEXT(waiter, link);
			if (waiter->data != data)
				continue;
			TAILQ_REMOVE(&channels->list[i].waiters, waiter, link);
			free(waiter);
		}
	}
}

struct exec_job *exec_start(struct channels *channels, unsigned node, const char *id, exec_news_cb *news,
	void *data, struct error *err)
{
	struct channel *channel = &channels->list[node];
	size_t length = strlen(id);
	struct exec_job *job;

	if (length == 0 || length >= sizeof(job->id) ||
		strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") != length) {
		error_set(err, ERROR_USAGE, "'%s' is no id of a command", id);
		return NULL;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		error_set(err, ERROR_FAILED, "out of memory");
		return NULL;
	}
	job->channel = channel;
	job->news = news;
	job->data = data;
	memcpy(job->id, id, length + 1);
	TAILQ_INSERT_TAIL(&channel->jobs, job, link);
	send_line(channel, "exec %s\n", id);
	return job;
}

void exec_input(struct exec_job *job, unsigned piece)
{
	send_line(job->channel, "in %s %u\n", job->id, piece);
}

void exec_input_end(struct exec_job *job)
{
	send_line(job->channel, "eof %s\n", job->id);
}

void exec_signal(struct exec_job *job, int signum)
{
	send_line(job->channel, "signal %s %d\n", job->id, signum);
}

void exec_abandon(struct exec_job *job)
{
	job->news = NULL;
	exec_signal(job, SIGHUP);
}
