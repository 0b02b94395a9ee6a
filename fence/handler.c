// SPDX-License-Identifier: GPL-3.0-or-later
// See handler.h. The log is one write per line, so that handlers of several groups at once do not mix theirs.
#include "fence/handler.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include "common/config.h"
#include "common/file.h"
#include "common/name.h"

#define LOG_FILE CONFIG_LOG_DIRECTORY "/handlers.log"

void handler_say(const struct handler *handler, int priority, const char *format, ...)
{
	char text[700], line[900], when[32];
	struct timespec now;
	struct tm parts;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	syslog(priority, "group=%s %s", handler->group, text);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &parts);
	int length = snprintf(line, sizeof(line), "%s.%03ldZ %s[%d] group=%s node=%s %s\n", when,
		now.tv_nsec / 1000000, handler->program, (int)getpid(), handler->group, handler->node, text);
	if (handler->log >= 0 &&
		write(handler->log, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1) <
			0)
		syslog(LOG_WARNING, "cannot write %s: %s", LOG_FILE, strerror(errno));
}

static void open_descriptors(void)
{
	int fd;

	do // what opens as 0, 1 or 2 stays: nothing of ours must be taken for stdin, stdout or stderr
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int handler_init(struct handler *handler, const char *program, struct error *err)
{
	struct config config = { 0 };
	const char *group = getenv("DRBD_RESOURCE");

	open_descriptors();
	*handler = (struct handler){ .program = program, .group = group ? group : "", .log = -1 };
	openlog(program, LOG_PID, LOG_DAEMON);
	if (file_make_directory(CONFIG_LOG_DIRECTORY, 0755, NULL) == 0)
		handler->log = open(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	int status = config_load(CONFIG_FILE, &config, err);
	if (status == 0)
		snprintf(handler->node, sizeof(handler->node), "%s", config.node);
	config_done(&config);
	if (status < 0 || name_check("group", handler->group, err) < 0 ||
		name_check("node", handler->node, err) < 0) {
		handler_say(handler, LOG_ERR, "%s", err->message);
		return -1;
	}
	return 0;
}

int handler_detach(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (pid > 0) {
		waitpid(pid, NULL, 0);
		return 0;
	}
	setsid();
	if (fork() != 0)
		_exit(0);
	return 1;
}

int64_t handler_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
