# common/: what every program uses
noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = \
	common/cage.c common/cage-enter.c common/cage-filter.c common/cage-private.h \
	common/config.c common/error.c common/fault.c common/fault.h common/file.c common/frame.c common/name.c common/qcow2.c \
	common/pack.c common/pack-rule.c common/pack-stream.c \
	common/log.c \
	common/loop.c common/loop-private.h \
	common/rpc-server.c common/rpc-server.h common/rpc-call.c common/rpc-listen.c \
	common/rpc-client.c common/rpc-client.h common/rpc-connect.c common/rpc-once.c \
	common/rpc-connection.c common/rpc-connection.h common/rpc-socket.c common/rpc-socket.h \
	common/rpc-tunnel.c common/rpc-tunnel.h \
	common/spawn.c common/spawn-private.h common/spawn-child.c common/spawn-detached.c \
	common/task.c common/task-private.h common/task-switch.c common/task-sync.c \
	common/tls.c common/tls-private.h common/tls-gcm.c common/tls-gcm.h common/tls-lane.c common/tls-lane.h common/tls-seal.c common/tls-seal.h common/tls-session.c common/tls-session.h common/tls-pki.c

noinst_HEADERS += common/error.h common/cleanup.h common/log.h common/loop.h common/task.h common/frame.h common/tls.h \
	common/cage.h common/rpc.h common/spawn.h common/file.h common/name.h common/config.h common/qcow2.h \
	common/pack.h common/pack-rule.h common/pack-stream.h
