# fence/: the fence agent of the lab's nodes
sbin_PROGRAMS += fence/fence_holdfast_lab
fence_fence_holdfast_lab_SOURCES = \
	deploy/lab/bmc/wire.c \
	fence/lab-agent.c \
	fence/lab-client.c \
	fence/lab-metadata.c \
	fence/lab-options.c
fence_fence_holdfast_lab_LDADD = libcommon.a $(GLIB_LIBS) $(OPENSSL_LIBS) $(IPSEC_MB_LIBS) -lpthread

noinst_HEADERS += fence/lab-client.h fence/lab-metadata.h fence/lab-options.h

UNIT_TESTS += tests/unit/test-lab-fence-options
tests_unit_test_lab_fence_options_SOURCES = tests/unit/test-lab-fence-options.c fence/lab-options.c fence/lab-metadata.c
