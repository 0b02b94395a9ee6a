# proto/: the wire contract and its C, made by protoc-c
PROTO_FILES = proto/definition.proto proto/status.proto proto/api.proto proto/cluster.proto proto/checkpoint.proto
PROTO_C = proto/definition.pb-c.c proto/status.pb-c.c proto/api.pb-c.c proto/cluster.pb-c.c proto/checkpoint.pb-c.c
PROTO_H = proto/definition.pb-c.h proto/status.pb-c.h proto/api.pb-c.h proto/cluster.pb-c.h proto/checkpoint.pb-c.h

EXTRA_DIST += $(PROTO_FILES)
BUILT_SOURCES += $(PROTO_H)
CLEANFILES += $(PROTO_C) $(PROTO_H)

noinst_LIBRARIES += libproto.a
nodist_libproto_a_SOURCES = $(PROTO_C)
libproto_a_SOURCES = proto/control.c proto/clone.c proto/pending.c proto/disk.c proto/files.c proto/health.c proto/json-write.c proto/json-read.c proto/shape.c proto/text.c
libproto_a_CFLAGS = $(AM_CFLAGS) -Wno-shadow -Wno-missing-prototypes

proto/%.pb-c.c proto/%.pb-c.h: proto/%.proto
	$(AM_V_GEN)$(MKDIR_P) proto && $(PROTOC_C) -I$(top_srcdir)/proto --c_out=proto $<

# api includes status, status includes definition: the generated headers name each other by plain file name
proto/api.pb-c.h: proto/status.pb-c.h
proto/status.pb-c.h: proto/definition.pb-c.h
proto/cluster.pb-c.h: proto/status.pb-c.h
proto/checkpoint.pb-c.h: proto/definition.pb-c.h
noinst_HEADERS += proto/control.h proto/clone.h proto/disk.h proto/files.h proto/health.h proto/shape.h proto/pending.h proto/text.h proto/json.h proto/json-internal.h
