# tests/tools/: small programs that the test scripts use
noinst_PROGRAMS += tests/tools/rpc-call tests/tools/make-pki
tests_tools_rpc_call_LDADD = $(COMMON_LIBS)
tests_tools_make_pki_LDADD = $(COMMON_LIBS)
