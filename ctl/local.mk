# ctl/: the holdfast command
noinst_LIBRARIES += libctl.a
libctl_a_SOURCES = \
	ctl/args.c ctl/args.h ctl/args-check.c ctl/args-check.h \
	ctl/checkpoint.c \
	ctl/cluster.c \
	ctl/complete.c ctl/complete.h \
	ctl/connect.c \
	ctl/console.c ctl/console.h \
	ctl/disk-option.c ctl/disk-option.h \
	ctl/events.c \
	ctl/fence.c \
	ctl/group.c \
	ctl/help.c ctl/help.h \
	ctl/node.c \
	ctl/nouns.c ctl/nouns.h \
	ctl/print.c ctl/print.h \
	ctl/session.c ctl/session.h \
	ctl/show-cluster.c ctl/show-event.c ctl/show-group.c ctl/show-node.c ctl/show.h \
	ctl/suggest.c \
	ctl/table.c \
	ctl/value.c ctl/value-time.c ctl/value.h \
	ctl/nic-option.c ctl/nic-option.h ctl/screen.c ctl/screen.h \
	ctl/vm.c ctl/vm-image.c ctl/vm-image.h ctl/vm-control.c ctl/vm-control.h ctl/vm-devices.c ctl/vm-devices.h ctl/vm-health.c ctl/vm-health.h \
	ctl/vm-set.c ctl/vm-set.h ctl/show-control.c \
	ctl/volume.c
libctl_a_CPPFLAGS = $(AM_CPPFLAGS) $(SMARTCOLS_CFLAGS)
CTL_LIBS = libctl.a $(COMMON_LIBS) $(SMARTCOLS_LIBS) -lm

bin_PROGRAMS += holdfast
holdfast_SOURCES = ctl/main.c
holdfast_LDADD = $(CTL_LIBS)

noinst_HEADERS += ctl/args.h ctl/args-check.h ctl/complete.h ctl/console.h ctl/help.h ctl/nouns.h ctl/print.h ctl/session.h \
	ctl/show.h ctl/value.h

bashcompletiondir = $(datadir)/bash-completion/completions
EXTRA_DIST += ctl/completion.bash

install-data-local:
	$(MKDIR_P) $(DESTDIR)$(bashcompletiondir)
	$(INSTALL_DATA) $(top_srcdir)/ctl/completion.bash $(DESTDIR)$(bashcompletiondir)/holdfast

uninstall-local:
	rm -f $(DESTDIR)$(bashcompletiondir)/holdfast

UNIT_TESTS += tests/unit/test-ctl-args tests/unit/test-ctl-value tests/unit/test-nic-option
tests_unit_test_ctl_args_LDADD = $(CTL_LIBS) $(CMOCKA_LIBS)
tests_unit_test_ctl_value_LDADD = $(CTL_LIBS) $(CMOCKA_LIBS)
tests_unit_test_nic_option_LDADD = $(CTL_LIBS) $(CMOCKA_LIBS)

dist_man_MANS += docs/man/holdfast.1 docs/man/clusterd.8 docs/man/hypervisord.8
