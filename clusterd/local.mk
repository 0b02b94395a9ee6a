# clusterd/: the cluster daemon; everything but main.c is a library, so that the tests can link it
noinst_LIBRARIES += libclusterd.a
libclusterd_a_SOURCES = \
	clusterd/allocate.c clusterd/api-cluster.c clusterd/api-events.c clusterd/api-fence.c clusterd/api-group.c clusterd/api-host.c \
	clusterd/api-checkpoint.c clusterd/api-node.c clusterd/api-vm.c clusterd/api-volume.c clusterd/api.c clusterd/cib-link.c clusterd/corosync-conf.c clusterd/cpg.c clusterd/cpu-baseline.c clusterd/drain.c \
	clusterd/api-disk.c clusterd/disk-grow.c clusterd/state-grow.c clusterd/vm-clone.c \
	clusterd/event-store.c clusterd/events.c clusterd/files.c clusterd/forward.c clusterd/group-define.c clusterd/group-run.c clusterd/host-link.c \
	clusterd/join-token.c clusterd/join-via.c clusterd/join.c clusterd/membership.c clusterd/move.c clusterd/notice.c clusterd/place.c \
	clusterd/policy.c clusterd/replicas.c clusterd/setup.c clusterd/status-problems.c clusterd/status.c clusterd/story.c clusterd/view.c \
	clusterd/group-set.c clusterd/vm-define.c clusterd/vm-set.c clusterd/watch.c
libclusterd_a_CPPFLAGS = $(AM_CPPFLAGS) $(COROSYNC_CFLAGS)

sbin_PROGRAMS += clusterd/clusterd
clusterd_clusterd_SOURCES = clusterd/main.c
clusterd_clusterd_LDADD = libclusterd.a $(CIB_LIBS) $(COROSYNC_LIBS) $(COMMON_LIBS)

noinst_HEADERS += clusterd/allocate.h clusterd/api.h clusterd/cib-link.h clusterd/clusterd.h clusterd/corosync-conf.h clusterd/cpg.h clusterd/cpu-baseline.h clusterd/disk-grow.h clusterd/state-grow.h clusterd/drain.h \
	clusterd/event-store.h clusterd/events.h clusterd/files.h clusterd/forward.h clusterd/group-define.h clusterd/group-run.h clusterd/host-link.h \
	clusterd/join-token.h clusterd/join.h clusterd/membership.h clusterd/move.h clusterd/notice.h clusterd/policy.h clusterd/replicas.h \
	clusterd/setup.h clusterd/shared-client.h clusterd/status.h clusterd/story.h clusterd/view.h clusterd/vm-define.h clusterd/watch.h

CLUSTERD_TEST_LIBS = libclusterd.a $(CIB_LIBS) $(COROSYNC_LIBS)
UNIT_TESTS += tests/unit/test-allocate tests/unit/test-corosync-conf tests/unit/test-event-store tests/unit/test-join-token \
	tests/unit/test-policy tests/unit/test-status tests/unit/test-story
tests_unit_test_allocate_LDADD = $(CLUSTERD_TEST_LIBS) $(UNIT_LIBS)
tests_unit_test_corosync_conf_LDADD = $(CLUSTERD_TEST_LIBS) $(UNIT_LIBS)
tests_unit_test_event_store_LDADD = $(CLUSTERD_TEST_LIBS) $(UNIT_LIBS)
tests_unit_test_join_token_LDADD = $(CLUSTERD_TEST_LIBS) $(UNIT_LIBS)
tests_unit_test_policy_LDADD = $(CLUSTERD_TEST_LIBS) $(UNIT_LIBS)
tests_unit_test_status_LDADD = $(CLUSTERD_TEST_LIBS) $(UNIT_LIBS)
tests_unit_test_story_LDADD = $(CLUSTERD_TEST_LIBS) $(UNIT_LIBS)
EXTRA_DIST += tests/integration/test-cluster-join.sh tests/integration/test-definitions.sh tests/integration/test-move-clusterd-killed.sh tests/integration/test-drain.sh tests/integration/test-pacemaker-moves.sh tests/integration/test-passed-on.sh tests/integration/test-move-failed-status.sh
