# common/: what every program uses
noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = \
	common/error.c

noinst_HEADERS += common/error.h common/cleanup.h common/log.h common/loop.h common/task.h common/frame.h common/tls.h \
	common/rpc.h common/spawn.h common/file.h common/name.h
