# tests/guest/: the guest that the tests and the quick start run, and the judge of what it acknowledged.
# `make guest` builds guest/vmlinuz and guest/initrd.gz in the build directory; it downloads a kernel package once.
TESTS += tests/guest/test-check-acks.sh
EXTRA_DIST += tests/guest/build-guest tests/guest/filler.S tests/guest/init tests/guest/ackdb.c tests/guest/memwork.c tests/guest/check-acks \
	tests/guest/fetch-systems \
	tests/guest/guest-lib.sh tests/guest/test-check-acks.sh \
	tests/integration/acks.sh tests/integration/test-guest-crash.sh tests/integration/test-guest-fails.sh

.PHONY: guest
guest:
	$(top_srcdir)/tests/guest/build-guest $(top_builddir)/guest
