# tests/ctl/: the holdfast command against a scripted daemon
check_PROGRAMS += tests/ctl/answers
CTL_TESTS = tests/ctl/test-requests.sh tests/ctl/test-output.sh tests/ctl/test-status.sh tests/ctl/test-console.sh \
	tests/ctl/test-man.sh tests/ctl/test-connect.sh
TESTS += $(CTL_TESTS)
EXTRA_DIST += $(CTL_TESTS) tests/ctl/ctl-lib.sh tests/ctl/answers.json \
	tests/integration/test-ctl-standalone.sh
$(CTL_TESTS:.sh=.log): holdfast tests/ctl/answers
