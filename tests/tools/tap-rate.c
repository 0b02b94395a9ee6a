// SPDX-License-Identifier: GPL-3.0-or-later
// For tests: makes a tap on a bridge as hypervisord does for a guest, limits it, sends as fast as it can in one
// direction after the other in the guest's place, and prints what came through, in bytes a second.   tap-rate BRIDGE
// BYTES-A-SECOND SECONDS       0: no limit
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "hypervisor/tap-limit.h"
#include "hypervisor/tap.h"

#define MAC "52:54:00:12:34:56"
#define PROTOCOL 0x88b5 // for experiments
#define FRAME_BYTES 1514
#define HEADER_BYTES 10 // of virtio, before each frame of a tap
#define WARM_UP_S 1.0 // until the burst is used up

struct link {
	int tap, bridge;
	unsigned char frame[HEADER_BYTES + FRAME_BYTES];
};

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int open_bridge(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
		.sll_protocol = htons(PROTOCOL),
		.sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(PROTOCOL));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	return fd;
}

static void make_frame(struct link *link)
{
	unsigned char *ethernet = link->frame + HEADER_BYTES;
	memset(link->frame, 0, sizeof(link->frame));
	memset(ethernet, 0xff, ETH_ALEN);
	memcpy(ethernet + ETH_ALEN, "\x52\x54\x00\x12\x34\x56", ETH_ALEN);
	ethernet[12] = PROTOCOL >> 8;
	ethernet[13] = PROTOCOL & 0xff;
}

enum direction { FROM_GUEST, TO_GUEST };

// One frame in, and whatever has come out at the other side.
static double pump(struct link *link, enum direction direction)
{
	unsigned char got[65536 + HEADER_BYTES];
	double bytes = 0;
	ssize_t count = direction == FROM_GUEST
		? write(link->tap, link->frame, sizeof(link->frame))
		: write(link->bridge, link->frame + HEADER_BYTES, FRAME_BYTES);
	if (count < 0 && errno != EAGAIN && errno != ENOBUFS) {
		perror("tap-rate: sending");
		exit(1);
	}
	while ((count = direction == FROM_GUEST ? read(link->bridge, got, sizeof(got))
						: read(link->tap, got, sizeof(got))) > 0) {
		size_t skip = direction == FROM_GUEST ? 0 : HEADER_BYTES;
		if (got[skip + 12] == PROTOCOL >> 8 && got[skip + 13] == (PROTOCOL & 0xff))
			bytes += (double)count - (double)skip;
	}
	return bytes;
}

static double measure(struct link *link, enum direction direction, double seconds)
{
	double begin = now_s(), bytes = 0;
	while (now_s() < begin + WARM_UP_S)
		pump(link, direction);
	begin = now_s();
	while (now_s() < begin + seconds)
		bytes += pump(link, direction);
	return bytes / (now_s() - begin);
}

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;
	struct link link;
	char name[IFNAMSIZ];
	if (argc != 4) {
		fprintf(stderr, "usage: tap-rate BRIDGE BYTES-A-SECOND SECONDS\n");
		return 2;
	}
	struct config_network network = { (char *)"lan", argv[1] };
	struct config config = { .node = (char *)"solo", .networks = &network, .network_count = 1 };
	if (tap_open(&config, "lan", MAC, &link.tap, &err) || tap_find(MAC, name, &err) ||
		tap_limit(name, strtoull(argv[2], NULL, 10), &err)) {
		fprintf(stderr, "tap-rate: %s\n", err.message);
		return 1;
	}
	link.bridge = open_bridge(argv[1]);
	if (link.bridge < 0) {
		perror("tap-rate: bridge");
		return 1;
	}
	make_frame(&link);
	double from = measure(&link, FROM_GUEST, strtod(argv[3], NULL));
	double to = measure(&link, TO_GUEST, strtod(argv[3], NULL));
	printf("{\"from_guest\": %.0f, \"to_guest\": %.0f}\n", from, to);
	return 0;
}
