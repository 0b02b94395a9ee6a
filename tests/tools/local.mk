# tests/tools/: small programs that the test scripts use
noinst_PROGRAMS += tests/tools/rpc-call tests/tools/make-pki tests/tools/probe
tests_tools_rpc_call_LDADD = $(COMMON_LIBS)
tests_tools_make_pki_LDADD = $(COMMON_LIBS)
tests_tools_probe_SOURCES = tests/tools/probe.c tests/tools/probe-files.c tests/tools/probe-kernel.c tests/tools/probe-processes.c tests/tools/probe.h
tests_tools_probe_LDADD =
noinst_PROGRAMS += tests/tools/tap-rate
tests_tools_tap_rate_LDADD = libhypervisor.a $(STORAGE_LIBS) $(COMMON_LIBS) $(NL_LIBS)
