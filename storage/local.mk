# storage/: a group's volumes on this node
noinst_LIBRARIES += libstorage.a
libstorage_a_CFLAGS = $(AM_CFLAGS) $(NL_CFLAGS)
libstorage_a_SOURCES = \
	storage/storage.c storage/internal.h storage/status.c storage/replicas.c storage/holders.c \
	storage/file.c storage/file-lock.c storage/file-lock.h storage/blocking.c \
	storage/lvm.c storage/lvm-parse.c storage/lvm.h \
	storage/drbd.c storage/drbd-create.c storage/drbd-create.h storage/drbd-device.c storage/drbd-device.h storage/drbd-fresh.c \
	storage/drbd-grow.c storage/drbd-grow.h \
	storage/drbd-setup.c storage/drbd-setup.h storage/drbd-res.c storage/drbd-res.h storage/drbd-netlink.c storage/drbd-netlink.h \
	storage/drbd-roles.c storage/drbd-roles.h storage/drbd-proc.c storage/drbd-proc.h storage/drbd-view.c storage/drbd-view.h \
	storage/drbd-watch.c storage/drbd-watch.h storage/drbd-record.c storage/freshness.c storage/freshness.h \
	storage/state-volume.c storage/state-volume.h

noinst_HEADERS += storage/storage.h
STORAGE_LIBS = libstorage.a $(NL_LIBS)

UNIT_TESTS += tests/unit/test-storage-file
tests_unit_test_storage_file_LDADD = $(STORAGE_LIBS) $(UNIT_LIBS)

# For tests in a lab's nodes, which have the host's files: it is run from the build directory.
noinst_PROGRAMS += tests/lab/storage-tool
tests_lab_storage_tool_LDADD = $(STORAGE_LIBS) $(COMMON_LIBS)

UNIT_TESTS += tests/unit/test-freshness tests/unit/test-drbd-res tests/unit/test-drbd-view tests/unit/test-lvm-parse
tests_unit_test_freshness_LDADD = $(STORAGE_LIBS) $(UNIT_LIBS)
tests_unit_test_drbd_res_LDADD = $(STORAGE_LIBS) $(UNIT_LIBS)
tests_unit_test_drbd_view_LDADD = $(STORAGE_LIBS) $(UNIT_LIBS)
tests_unit_test_lvm_parse_LDADD = $(STORAGE_LIBS) $(UNIT_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-drbd-proc tests/fuzz/fuzz-lvm-report
tests_fuzz_fuzz_drbd_proc_SOURCES = tests/fuzz/fuzz-drbd-proc.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_drbd_proc_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_drbd_proc_LDADD = $(STORAGE_LIBS) $(COMMON_LIBS)
tests_fuzz_fuzz_lvm_report_SOURCES = tests/fuzz/fuzz-lvm-report.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_lvm_report_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_lvm_report_LDADD = $(STORAGE_LIBS) $(COMMON_LIBS)

EXTRA_DIST += tests/fuzz/corpus/drbd-proc tests/fuzz/corpus/lvm-report tests/integration/storage-lab.sh \
	tests/integration/test-storage-replicated.sh tests/integration/test-storage-old-data.sh tests/integration/test-storage-crash.sh
