# tests/unit/: one cmocka program per module, TAP on stdout. A test is one line here (or in its room's local.mk); its source is NAME.c. One
# that needs more than common has a second line: tests_unit_test_NAME_LDADD = libROOM.a $(UNIT_LIBS)
UNIT_TESTS += tests/unit/test-agent
UNIT_TESTS += tests/unit/test-cib
UNIT_TESTS += tests/unit/test-cib-plan
UNIT_TESTS += tests/unit/test-error
UNIT_TESTS += tests/unit/test-file
UNIT_TESTS += tests/unit/test-frame
UNIT_TESTS += tests/unit/test-json
UNIT_TESTS += tests/unit/test-log
UNIT_TESTS += tests/unit/test-loop
UNIT_TESTS += tests/unit/test-move-state
UNIT_TESTS += tests/unit/test-name
UNIT_TESTS += tests/unit/test-rpc
UNIT_TESTS += tests/unit/test-rpc-hostile
UNIT_TESTS += tests/unit/test-rpc-tls
UNIT_TESTS += tests/unit/test-spawn
UNIT_TESTS += tests/unit/test-task
UNIT_TESTS += tests/unit/test-tls-pki

UNIT_LIBS = $(COMMON_LIBS) $(CMOCKA_LIBS)
LDADD = $(UNIT_LIBS)
noinst_HEADERS += tests/unit/unit.h
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
tests_unit_test_rpc_tls_SOURCES = tests/unit/test-rpc-tls.c tests/unit/rpc-fixture.c tests/unit/rpc-fixture.h
tests_unit_test_rpc_hostile_SOURCES = tests/unit/test-rpc-hostile.c tests/unit/rpc-fixture.c tests/unit/rpc-fixture.h
tests_unit_test_rpc_SOURCES = tests/unit/test-rpc.c tests/unit/rpc-fixture.c tests/unit/rpc-fixture.h
tests_unit_test_move_state_LDADD = libmigrate.a $(UNIT_LIBS)

tests_unit_test_cib_SOURCES = tests/unit/test-cib.c tests/unit/cib-fixture.c tests/unit/cib-fixture.h
tests_unit_test_cib_LDADD = $(CIB_LIBS) $(UNIT_LIBS)
tests_unit_test_cib_plan_SOURCES = tests/unit/test-cib-plan.c tests/unit/cib-fixture.c tests/unit/cib-fixture.h
tests_unit_test_cib_plan_LDADD = $(CIB_LIBS) $(UNIT_LIBS)
tests_unit_test_agent_SOURCES = tests/unit/test-agent.c tests/unit/cib-fixture.c tests/unit/cib-fixture.h
tests_unit_test_agent_LDADD = libhypervisor.a $(CIB_LIBS) $(STORAGE_LIBS) $(UNIT_LIBS)
