# deploy/lab/: a cluster on one machine. labd runs on the host, nodeinit and systemctl inside the nodes; none of it is installed.
noinst_PROGRAMS += deploy/lab/bin/labd deploy/lab/bin/nodeinit deploy/lab/bin/systemctl

deploy_lab_bin_labd_SOURCES = \
	deploy/lab/bmc/wire.c \
	deploy/lab/labd/bmc.c \
	deploy/lab/labd/channel.c \
	deploy/lab/labd/config.c \
	deploy/lab/labd/control.c \
	deploy/lab/labd/delay.c \
	deploy/lab/labd/faults.c \
	deploy/lab/labd/journal.c \
	deploy/lab/labd/main.c \
	deploy/lab/labd/minder.c \
	deploy/lab/labd/nodes.c \
	deploy/lab/labd/packet.c \
	deploy/lab/labd/switch.c \
	deploy/lab/labd/verbs.c
deploy_lab_bin_labd_LDADD = libcommon.a $(GLIB_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) -lpthread

deploy_lab_bin_nodeinit_SOURCES = \
	deploy/lab/node/commands.c \
	deploy/lab/node/keeper.c \
	deploy/lab/node/main.c \
	deploy/lab/node/requests.c \
	deploy/lab/node/stage.c \
	deploy/lab/node/units.c
deploy_lab_bin_nodeinit_LDADD = libcommon.a $(GLIB_LIBS) -lpthread

deploy_lab_bin_systemctl_SOURCES = deploy/lab/node/systemctl.c
deploy_lab_bin_systemctl_LDADD =

noinst_HEADERS += \
	deploy/lab/bmc/wire.h \
	deploy/lab/labd/bmc.h \
	deploy/lab/labd/channel.h \
	deploy/lab/labd/config.h \
	deploy/lab/labd/control.h \
	deploy/lab/labd/delay.h \
	deploy/lab/labd/faults.h \
	deploy/lab/labd/journal.h \
	deploy/lab/labd/minder.h \
	deploy/lab/labd/nodes.h \
	deploy/lab/labd/packet.h \
	deploy/lab/labd/switch.h \
	deploy/lab/node/commands.h \
	deploy/lab/node/keeper.h \
	deploy/lab/node/requests.h \
	deploy/lab/node/stage.h \
	deploy/lab/node/units.h

EXTRA_DIST += \
	deploy/lab/README.md \
	deploy/lab/cluster-setup \
	deploy/lab/lab \
	deploy/lab/node/setup \
	deploy/lab/holdfast_lab/__init__.py \
	deploy/lab/holdfast_lab/cli.py \
	deploy/lab/holdfast_lab/control.py \
	deploy/lab/holdfast_lab/errors.py \
	deploy/lab/holdfast_lab/execute.py \
	deploy/lab/holdfast_lab/layout.py \
	deploy/lab/holdfast_lab/logs.py \
	deploy/lab/holdfast_lab/main.py \
	deploy/lab/holdfast_lab/paths.py \
	deploy/lab/holdfast_lab/up.py

# The compiled form of the `lab` command.
clean-local:
	rm -rf deploy/lab/pycache

UNIT_TESTS += tests/unit/test-bmc-wire
tests_unit_test_bmc_wire_SOURCES = tests/unit/test-bmc-wire.c deploy/lab/bmc/wire.c deploy/lab/labd/packet.c
UNIT_TESTS += tests/unit/test-lab-faults
tests_unit_test_lab_faults_SOURCES = tests/unit/test-lab-faults.c deploy/lab/labd/config.c deploy/lab/labd/faults.c

EXTRA_DIST += \
	tests/integration/fence-agent.rng \
	tests/integration/own-lab.sh \
	tests/integration/test-fence-metadata.sh \
	tests/integration/test-lab-down.sh \
	tests/integration/test-lab-exec.sh \
	tests/integration/test-lab-fence.sh \
	tests/integration/test-lab-links.sh \
	tests/integration/test-lab-power.sh \
	tests/integration/test-lab-services.sh

UNIT_TESTS += tests/unit/test-lab-nodes
tests_unit_test_lab_nodes_SOURCES = tests/unit/test-lab-nodes.c deploy/lab/labd/config.c deploy/lab/labd/journal.c deploy/lab/labd/minder.c \
	deploy/lab/labd/nodes.c

FUZZ_TARGETS += tests/fuzz/fuzz-bmc
tests_fuzz_fuzz_bmc_SOURCES = tests/fuzz/fuzz-bmc.c deploy/lab/bmc/wire.c deploy/lab/labd/packet.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_bmc_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
