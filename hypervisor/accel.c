// SPDX-License-Identifier: GPL-3.0-or-later
// Looks for hardware virtualization: the CPU's flag and the device.
#include "hypervisor/accel.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"

bool accel_line_has_flag(const char *line)
{
	if (strncmp(line, "flags", 5))
		return false;
	for (const char *at = strchr(line, ':'); at && *at; at += strcspn(at, " \n")) {
		at += strspn(at, ": \n");
		size_t length = strcspn(at, " \n");
		if (length == 3 && (!strncmp(at, "vmx", 3) || !strncmp(at, "svm", 3)))
			return true;
	}
	return false;
}

static bool cpu_has_it(void)
{
	cleanup_file FILE *file = fopen("/proc/cpuinfo", "re");
	cleanup_free char *line = NULL;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0)
		if (accel_line_has_flag(line))
			return true;
	return false;
}

int accel_choose(const char *wish, bool *kvm, struct error *err)
{
	cleanup_fd int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	bool flag = cpu_has_it();
	*kvm = strcmp(wish, "tcg") && fd >= 0 && flag;
	if (!strcmp(wish, "kvm") && !*kvm)
		return error_set(err, ERROR_FAILED,
			"accel=kvm is configured and KVM cannot be used: %s; set accel=auto or accel=tcg",
			flag ? "/dev/kvm cannot be opened" : "the CPU has neither the vmx nor the svm flag");
	return 0;
}
