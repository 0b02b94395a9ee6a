// SPDX-License-Identifier: GPL-3.0-or-later
// The lab's stand-in for systemd's systemctl: hands its words to PID 1 of the lab node (nodeinit), which runs the services there, and
// prints the answer. Also what `reboot`, `poweroff` and `halt` are in a lab node. Knows no unit and no verb.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INIT_SOCKET "/run/lab/init"

struct packet {
	char bytes[4096];
	size_t used;
};

static bool add(struct packet *packet, const char *word)
{
	size_t length = strlen(word) + 1;

	if (packet->used + length > sizeof(packet->bytes))
		return false;
	memcpy(packet->bytes + packet->used, word, length);
	packet->used += length;
	return true;
}

static int ask(const struct packet *packet, char *answer, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = INIT_SOCKET };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ssize_t bytes = -1;

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		send(fd, packet->bytes, packet->used, MSG_NOSIGNAL) >= 0)
		bytes = recv(fd, answer, size - 1, 0);
	close(fd);
	if (bytes <= 0)
		return -1;
	answer[bytes] = '\0';
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	bool quiet = false, waits = true, force = false;
	struct packet packet = { .used = 0 };
	char answer[2048];

	if (strcmp(name, "systemctl") != 0)
		add(&packet, name);
	for (int i = 1; i < argc; i++) {
		quiet |= strcmp(argv[i], "--quiet") == 0 || strcmp(argv[i], "-q") == 0;
		waits &= strcmp(argv[i], "--no-block") != 0;
		force |= strcmp(argv[i], "--force") == 0 || strcmp(argv[i], "-f") == 0;
		if (!add(&packet, argv[i])) {
			fprintf(stderr, "systemctl of the lab: too many words\n");
			return 1;
		}
	}
	if (strcmp(name, "reboot") == 0 && force)
		return reboot(RB_AUTOBOOT) < 0;
	if (!waits && fork() > 0)
		return 0;
	if (ask(&packet, answer, sizeof(answer)) < 0) {
		fprintf(stderr, "systemctl of the lab: no answer from PID 1: %s\n", strerror(errno));
		return 1;
	}
	if (!quiet)
		fputs(answer + 1, answer[0] == '0' || answer[0] == '3' ? stdout : stderr);
	return answer[0] - '0';
}
