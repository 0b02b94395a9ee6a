# tests/unit/: one cmocka program per module, TAP on stdout. A test is its name in this list; its source is NAME.c. One that needs
# more than common adds a line `tests_unit_test_NAME_LDADD = libROOM.a $(UNIT_LIBS)`.
UNIT_TESTS = \
	tests/unit/test-json \
	tests/unit/test-loop \
	tests/unit/test-task

UNIT_LIBS = $(COMMON_LIBS) $(CMOCKA_LIBS)
LDADD = $(UNIT_LIBS)
noinst_HEADERS += tests/unit/unit.h
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
