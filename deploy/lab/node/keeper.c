// SPDX-License-Identifier: GPL-3.0-or-later
// The keeper process, see keeper.h. Reads only.
#include "deploy/lab/node/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <sys/prctl.h>
#include <unistd.h>

#define DISK "/dev/ubda"
#define SECTOR_BYTES 4096
#define PERIOD_NS 250000000

static _Noreturn void keep(int fd)
{
	const struct timespec period = { 0, PERIOD_NS };
	void *sector = NULL;

	prctl(PR_SET_NAME, "lab-keeper");
	if (posix_memalign(&sector, SECTOR_BYTES, SECTOR_BYTES) != 0)
		_exit(1);
	// What is read does not matter, nor whether it could be; the pause is the purpose.
	for (;;) {
		if (pread(fd, sector, SECTOR_BYTES, 0) < 0 && errno == EBADF)
			_exit(1);
		nanosleep(&period, NULL);
	}
}

int keeper_start(pid_t *pid, struct error *err)
{
	int fd = open(DISK, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, errno, "cannot open " DISK);
	*pid = fork();
	if (*pid == 0)
		keep(fd);
	close(fd);
	return *pid < 0 ? error_set_errno(err, errno, "cannot start the keeper") : 0;
}
