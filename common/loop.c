// SPDX-License-Identifier: GPL-3.0-or-later
// The event loop over GLib's default context: each registration is a GSource with our fields behind it, so GLib's reference
// during a dispatch keeps it alive when a callback removes itself. Knows no task and no protocol.
#include "common/loop-private.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "common/cleanup.h"

struct loop_source {
	GSource base; // first: GLib allocates and frees the whole
	struct loop *loop;
	struct loop_source *next, **link;
	enum loop_verdict (*fire)(struct loop_source *source);
	union {
		loop_fd_cb *fd;
		loop_cb *plain;
		loop_signal_cb *signal;
		loop_exit_cb *exit;
	} cb;
	void *data;
	int fd;
	int own_fd; // closed with the source, or -1
	gpointer tag; // GLib's handle of fd
	union {
		unsigned ms;
		int signum;
		pid_t pid;
	} arg;
};

struct loop_post {
	struct loop_post *next;
	loop_cb *cb;
	void *data;
};

static gboolean source_dispatch(GSource *base, GSourceFunc unused, gpointer unused_data)
{
	struct loop_source *source = (struct loop_source *)base;

	return source->fire(source) == LOOP_CONTINUE ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void source_finalize(GSource *base)
{
	struct loop_source *source = (struct loop_source *)base;

	*source->link = source->next;
	if (source->next)
		source->next->link = source->link;
	if (source->own_fd >= 0)
		close(source->own_fd);
}

// Without prepare and check GLib asks the ready time and the descriptors by itself.
static GSourceFuncs source_funcs = { .dispatch = source_dispatch, .finalize = source_finalize };

static struct loop_source *source_new(
	struct loop *loop, enum loop_verdict (*fire)(struct loop_source *), void *data)
{
	struct loop_source *source = (struct loop_source *)g_source_new(&source_funcs, sizeof(*source));

	source->loop = loop;
	source->fire = fire;
	source->data = data;
	source->fd = source->own_fd = -1;
	source->next = loop->first;
	source->link = &loop->first;
	if (loop->first)
		loop->first->link = &source->next;
	loop->first = source;
	return source;
}

// The context's reference is the only one from here on.
static struct loop_source *source_attach(struct loop_source *source)
{
	g_source_attach(&source->base, NULL);
	g_source_unref(&source->base);
	return source;
}

void loop_source_remove(struct loop_source *source)
{
	if (source)
		g_source_destroy(&source->base);
}

static void source_watch(struct loop_source *source, int fd, short events)
{
	source->fd = fd;
	source->tag = g_source_add_unix_fd(&source->base, fd, (GIOCondition)events);
}

static enum loop_verdict fire_fd(struct loop_source *source)
{
	short events = (short)g_source_query_unix_fd(&source->base, source->tag);

	return source->cb.fd(source->fd, events, source->data);
}

struct loop_source *loop_add_fd(struct loop *loop, int fd, short events, loop_fd_cb *cb, void *data)
{
	struct loop_source *source = source_new(loop, fire_fd, data);

	source->cb.fd = cb;
	source_watch(source, fd, events);
	return source_attach(source);
}

void loop_fd_set_events(struct loop_source *source, short events)
{
	g_source_modify_unix_fd(&source->base, source->tag, (GIOCondition)events);
}

static enum loop_verdict fire_timer(struct loop_source *source)
{
	g_source_set_ready_time(&source->base, loop_now_us() + (int64_t)source->arg.ms * 1000);
	return source->cb.plain(source->data);
}

struct loop_source *loop_add_timer(struct loop *loop, unsigned ms, loop_cb *cb, void *data)
{
	struct loop_source *source = source_new(loop, fire_timer, data);

	source->cb.plain = cb;
	source->arg.ms = ms;
	g_source_set_ready_time(&source->base, loop_now_us() + (int64_t)ms * 1000);
	return source_attach(source);
}

static enum loop_verdict fire_idle(struct loop_source *source)
{
	return source->cb.plain(source->data);
}

// At the priority of descriptors, so that a busy descriptor never starves it.
struct loop_source *loop_add_idle(struct loop *loop, loop_cb *cb, void *data)
{
	struct loop_source *source = source_new(loop, fire_idle, data);

	source->cb.plain = cb;
	g_source_set_ready_time(&source->base, 0);
	return source_attach(source);
}

static enum loop_verdict fire_signal(struct loop_source *source)
{
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		source->cb.signal(source->arg.signum, source->data);
	return LOOP_CONTINUE;
}

struct loop_source *loop_add_signal(struct loop *loop, int signum, loop_signal_cb *cb, void *data)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signum);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return NULL;
	struct loop_source *source = source_new(loop, fire_signal, data);
	source->cb.signal = cb;
	source->arg.signum = signum;
	source->own_fd = fd;
	source_watch(source, fd, POLLIN);
	return source_attach(source);
}

static enum loop_verdict fire_pidfd(struct loop_source *source)
{
	source->cb.exit(source->arg.pid, source->data);
	return LOOP_STOP;
}

struct loop_source *loop_add_pidfd(struct loop *loop, int pidfd, pid_t pid, loop_exit_cb *cb, void *data)
{
	struct loop_source *source = source_new(loop, fire_pidfd, data);

	source->cb.exit = cb;
	source->arg.pid = pid;
	source_watch(source, pidfd, POLLIN);
	return source_attach(source);
}

static struct loop_post *posts_take(struct loop *loop)
{
	g_mutex_lock(&loop->post_mutex);
	struct loop_post *post = loop->post_first;
	loop->post_first = loop->post_last = NULL;
	g_mutex_unlock(&loop->post_mutex);
	return post;
}

static enum loop_verdict doorbell_rung(int fd, short events, void *data)
{
	struct loop *loop = data;
	eventfd_t count;

	// emptied before the list is taken: a post after the taking rings again
	(void)eventfd_read(fd, &count);
	for (struct loop_post *post = posts_take(loop), *next; post; post = next) {
		next = post->next;
		post->cb(post->data);
		g_free(post);
	}
	return LOOP_CONTINUE;
}

void loop_post(struct loop *loop, loop_cb *cb, void *data)
{
	struct loop_post *post = g_malloc(sizeof(*post));

	*post = (struct loop_post){ .cb = cb, .data = data };
	g_mutex_lock(&loop->post_mutex);
	if (loop->post_last)
		loop->post_last->next = post;
	else
		loop->post_first = post;
	loop->post_last = post;
	(void)eventfd_write(loop->doorbell_fd, 1);
	g_mutex_unlock(&loop->post_mutex);
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	g_mutex_init(&loop->post_mutex);
	loop->doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->doorbell_fd < 0) {
		g_mutex_clear(&loop->post_mutex);
		free(loop);
		return NULL;
	}
	loop->doorbell = loop_add_fd(loop, loop->doorbell_fd, POLLIN, doorbell_rung, loop);
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->tasks)
		loop->tasks_free(loop->tasks);
	while (loop->first)
		loop_source_remove(loop->first);
	for (struct loop_post *post = posts_take(loop), *next; post; post = next) {
		next = post->next;
		g_free(post);
	}
	close(loop->doorbell_fd);
	g_mutex_clear(&loop->post_mutex);
	free(loop);
}

void loop_turn(struct loop *loop)
{
	g_main_context_iteration(NULL, TRUE);
}

void loop_run(struct loop *loop)
{
	while (!loop->quit)
		loop_turn(loop);
	loop->quit = false;
}

void loop_quit(struct loop *loop)
{
	loop->quit = true;
}

int64_t loop_now_us(void)
{
	return g_get_monotonic_time();
}

double loop_now_ms(void)
{
	return (double)loop_now_us() / 1000.0;
}
