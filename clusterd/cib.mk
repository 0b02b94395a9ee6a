# clusterd/cib: the door to Pacemaker
noinst_LIBRARIES += libclustercib.a
libclustercib_a_SOURCES = \
	clusterd/cib.c clusterd/cib-internal.h clusterd/cib-group.c clusterd/cib-history.c clusterd/cib-read.c clusterd/cib-snapshot.c clusterd/cib-status.c \
	clusterd/cib-write.c clusterd/cib-xml.c
libclustercib_a_CPPFLAGS = $(AM_CPPFLAGS) $(PACEMAKER_CFLAGS)
noinst_HEADERS += clusterd/cib.h

# What a program that uses it links with besides COMMON_LIBS, and before them.
CIB_LIBS = libclustercib.a $(PACEMAKER_LIBS)
