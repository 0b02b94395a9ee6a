# hypervisor/: guests, their QEMUs, the run directory, and hypervisord
noinst_LIBRARIES += libhypervisor.a
libhypervisor_a_SOURCES = \
	hypervisor/cgroup.c hypervisor/cgroup.h hypervisor/clock.c hypervisor/clock.h \
	hypervisor/definition.c hypervisor/qemu-args.c hypervisor/qemu-args.h \
	hypervisor/qmp.c hypervisor/qmp-parse.c hypervisor/qmp-parse.h \
	hypervisor/restart-limit.c hypervisor/restart-limit.h \
	hypervisor/rundir.c hypervisor/rundir-guest.c hypervisor/rundir-private.h \
	hypervisor/save-header.c hypervisor/save-header.h hypervisor/save-stream.c hypervisor/save-stream.h \
	hypervisor/saved-state.c hypervisor/saved-state.h hypervisor/steps.c hypervisor/steps.h \
	hypervisor/vm.c hypervisor/vm-disks.c hypervisor/vm-run.c hypervisor/vm-save.c \
	hypervisor/vm-spawn.c hypervisor/vm-spawn.h hypervisor/vm-state.c hypervisor/vm-state.h hypervisor/vm-private.h

noinst_HEADERS += hypervisor/group.h hypervisor/qmp.h hypervisor/rundir.h hypervisor/vm.h
