# hypervisor/: guests, their QEMUs, the run directory, and hypervisord
noinst_LIBRARIES += libhypervisor.a
libhypervisor_a_SOURCES = \
	hypervisor/cgroup.c hypervisor/cgroup.h hypervisor/clock.c hypervisor/clock.h hypervisor/definition.c \
	hypervisor/guest-ram.c hypervisor/guest-ram.h hypervisor/qemu-args.c hypervisor/qemu-args.h hypervisor/disk-format.c \
	hypervisor/disk-format.h hypervisor/qemu-devices.c hypervisor/qemu-devices.h hypervisor/control.c hypervisor/control.h \
	hypervisor/control-plan.c hypervisor/control-plan.h hypervisor/control-qemu.c hypervisor/control-status.c \
	hypervisor/qmp.c hypervisor/qmp-parse.c hypervisor/qmp-parse.h hypervisor/hotplug.c hypervisor/hotplug-cdrom.c hypervisor/hotplug-devices.c hypervisor/hotplug-size.c \
	hypervisor/hotplug.h hypervisor/running.c hypervisor/running.h hypervisor/restart-limit.c hypervisor/restart-limit.h \
	hypervisor/rundir.c hypervisor/rundir-guest.c hypervisor/rundir-private.h hypervisor/save-file.c hypervisor/save-file.h \
	hypervisor/save-header.c hypervisor/save-header.h hypervisor/save-index.c hypervisor/save-index.h \
	hypervisor/crew.c hypervisor/crew.h hypervisor/ram-chunk.c hypervisor/ram-chunk.h hypervisor/save-memory.c hypervisor/save-memory.h hypervisor/qemu-pipe.c hypervisor/qemu-pipe.h hypervisor/save-stream.c hypervisor/save-stream.h \
	hypervisor/saved-state.c hypervisor/saved-state.h hypervisor/steps.c hypervisor/steps.h hypervisor/vm.c \
	hypervisor/tap.c hypervisor/tap.h hypervisor/vm-devices.c hypervisor/vm-devices.h hypervisor/vm-uefi.c \
	hypervisor/vm-uefi.h hypervisor/vm-screen.c hypervisor/vm-screen.h hypervisor/vm-disks.c hypervisor/vm-run.c \
	hypervisor/vm-save.c hypervisor/vm-refresh.c hypervisor/vm-refresh.h hypervisor/vm-restore.c hypervisor/vm-save.h \
	hypervisor/vm-stream.c hypervisor/vm-stream.h hypervisor/vm-spawn.c hypervisor/vm-spawn.h hypervisor/vm-state.c \
	hypervisor/vm-state.h hypervisor/vm-private.h

libhypervisor_a_CFLAGS = $(AM_CFLAGS) $(NL_CFLAGS)
noinst_HEADERS += hypervisor/group.h hypervisor/qmp.h hypervisor/rundir.h hypervisor/vm.h
libhypervisor_a_SOURCES += \
	hypervisor/convert.c hypervisor/convert.h hypervisor/disk-fill.c hypervisor/disk-grow.c hypervisor/disk-import.c hypervisor/disk-mark.c hypervisor/disk-mark.h hypervisor/vm-image.c hypervisor/vm-image.h \
	hypervisor/disk-volume.c hypervisor/disk-volume.h hypervisor/file-check.c hypervisor/file-check.h hypervisor/disk-work.c hypervisor/disk-work.h hypervisor/handlers-disk.c \
	hypervisor/image-check.c hypervisor/image-check.h hypervisor/image-place.c hypervisor/image-place.h hypervisor/image-whole.c \
	hypervisor/accel.c hypervisor/accel.h hypervisor/adopt.c hypervisor/adopt.h hypervisor/console.c hypervisor/console-log.c hypervisor/console-log.h \
	hypervisor/checkpoint.c hypervisor/checkpoint.h hypervisor/checkpoint-disks.c hypervisor/checkpoint-disks.h hypervisor/checkpoint-guard.c \
	hypervisor/checkpoint-memory.c hypervisor/checkpoint-memory.h hypervisor/checkpoint-pump.c hypervisor/checkpoint-pump.h \
	hypervisor/checkpoint-store.c hypervisor/checkpoint-store.h hypervisor/checkpoint-tree.c hypervisor/checkpoint-tree.h \
	hypervisor/handlers-checkpoint.c \
	hypervisor/group.c hypervisor/group-boot.c hypervisor/group-start.c hypervisor/group-stop.c hypervisor/group-status.c \
	hypervisor/group-private.h hypervisor/handlers.c hypervisor/handlers.h hypervisor/handlers-host.c \
	hypervisor/handlers-standalone.c hypervisor/handlers-refresh.c hypervisor/handlers-state.c hypervisor/handlers-vm.c hypervisor/host-events.c hypervisor/host-events.h \
	hypervisor/standalone.c hypervisor/standalone.h hypervisor/standalone-define.c hypervisor/standalone-set.c hypervisor/standalone-define.h \
	hypervisor/vm-keeper.c hypervisor/agent-connect.c hypervisor/agent-connect.h hypervisor/guest-clock.c \
	hypervisor/guest-clock.h hypervisor/agent-line.c hypervisor/agent-line.h hypervisor/evidence.c hypervisor/evidence.h \
	hypervisor/cpu-models.c hypervisor/cpu-models.h hypervisor/health.c hypervisor/health.h hypervisor/heartbeat.c hypervisor/heartbeat.h

sbin_PROGRAMS += hypervisord
hypervisord_SOURCES = hypervisor/main.c
hypervisord_LDADD = libhypervisor.a libmigrate.a libhypervisor.a $(STORAGE_LIBS) $(COMMON_LIBS)

UNIT_TESTS += tests/unit/test-agent-line tests/unit/test-checkpoint-tree tests/unit/test-config tests/unit/test-guest-ram
UNIT_TESTS += tests/unit/test-qemu-args tests/unit/test-qmp tests/unit/test-rundir tests/unit/test-save-file
UNIT_TESTS += tests/unit/test-saved-state tests/unit/test-vm-disks tests/unit/test-vm-state
HYPERVISOR_TEST_LIBS = libhypervisor.a $(STORAGE_LIBS) $(UNIT_LIBS)
tests_unit_test_guest_ram_LDADD = $(HYPERVISOR_TEST_LIBS)
tests_unit_test_qemu_args_LDADD = $(HYPERVISOR_TEST_LIBS)
UNIT_TESTS += tests/unit/test-cpu-models
tests_unit_test_cpu_models_LDADD = $(HYPERVISOR_TEST_LIBS)
tests_unit_test_agent_line_LDADD = $(HYPERVISOR_TEST_LIBS)
tests_unit_test_qmp_LDADD = $(HYPERVISOR_TEST_LIBS)
tests_unit_test_rundir_LDADD = $(HYPERVISOR_TEST_LIBS)
tests_unit_test_save_file_LDADD = $(HYPERVISOR_TEST_LIBS)
tests_unit_test_checkpoint_tree_LDADD = $(HYPERVISOR_TEST_LIBS)
tests_unit_test_saved_state_LDADD = $(HYPERVISOR_TEST_LIBS)
tests_unit_test_vm_disks_LDADD = $(HYPERVISOR_TEST_LIBS)
tests_unit_test_vm_state_LDADD = $(HYPERVISOR_TEST_LIBS)

EXTRA_DIST += tests/integration/guest-shell.sh tests/integration/test-vm-set.sh tests/integration/test-vm-set-devices.sh

FUZZ_TARGETS += tests/fuzz/fuzz-qmp tests/fuzz/fuzz-save-header tests/fuzz/fuzz-save-index
tests_fuzz_fuzz_qmp_SOURCES = tests/fuzz/fuzz-qmp.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_qmp_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_qmp_LDADD = libhypervisor.a $(COMMON_LIBS)
tests_fuzz_fuzz_save_index_SOURCES = tests/fuzz/fuzz-save-index.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_save_index_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_save_index_LDADD = libhypervisor.a $(COMMON_LIBS)
tests_fuzz_fuzz_save_header_SOURCES = tests/fuzz/fuzz-save-header.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_save_header_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_save_header_LDADD = libhypervisor.a $(COMMON_LIBS)

EXTRA_DIST += tests/functions.sh \
	tests/integration/checkpoint-functions.sh tests/integration/test-checkpoint-failover.sh tests/integration/test-checkpoint-killed.sh \
	tests/integration/test-checkpoint-limits.sh tests/integration/test-checkpoint-tree.sh \
	tests/integration/test-disk-qcow2.sh \
	tests/integration/test-move-qcow2.sh \
	tests/integration/boot-sectors.sh \
	tests/integration/hypervisor-functions.sh \
	tests/integration/guest-functions.sh \
	tests/integration/test-guest-firmware.sh \
	tests/integration/test-guest-networks.sh \
	tests/integration/test-guest-systems.sh \
	tests/guest/sick.S tests/integration/test-guest-health.sh tests/integration/test-guest-heartbeat.sh tests/integration/test-guest-clock.sh \
	tests/integration/test-move-uefi.sh \
	tests/integration/crash-matrix.sh tests/integration/test-hypervisor-crash-matrix.sh tests/integration/test-hypervisor-crash-sample.sh \
	tests/integration/test-hypervisor-killed.sh \
	tests/integration/test-hypervisor-lifecycle.sh \
	tests/integration/test-hypervisor-privileges.sh \
	tests/integration/test-hypervisor-restart.sh \
	tests/integration/test-hypervisor-save.sh \
	tests/integration/test-hypervisor-wrong-input.sh \
	tests/integration/test-vm-refresh.sh tests/integration/test-vm-refresh-killed.sh

FUZZ_TARGETS += tests/fuzz/fuzz-image-head
tests_fuzz_fuzz_image_head_SOURCES = tests/fuzz/fuzz-image-head.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_image_head_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_image_head_LDADD = libhypervisor.a $(COMMON_LIBS)
EXTRA_DIST += tests/fuzz/corpus/image-head tests/integration/test-disk-images.sh
# control: what a guest may take of its node
libhypervisor_a_SOURCES += hypervisor/control.c hypervisor/control.h hypervisor/control-plan.c hypervisor/control-plan.h \
	hypervisor/control-qemu.c hypervisor/control-status.c hypervisor/tap-limit.c hypervisor/tap-limit.h
UNIT_TESTS += tests/unit/test-control-plan
tests_unit_test_control_plan_LDADD = $(HYPERVISOR_TEST_LIBS)
EXTRA_DIST += tests/integration/boot-sectors.sh tests/integration/control-functions.sh tests/integration/test-control-cpu.sh tests/integration/test-control-disk.sh \
	tests/integration/test-control-memory.sh tests/integration/test-control-network.sh
EXTRA_DIST += tests/integration/test-disk-checkpoints.sh tests/integration/test-disk-grow.sh tests/integration/test-disk-grow-guest.sh tests/integration/test-disk-replicated.sh \
	tests/integration/test-disk-parents.sh tests/integration/test-move-parent.sh tests/integration/test-vm-clone.sh tests/integration/test-clone-cluster.sh \
	tests/integration/test-image-directory.sh
