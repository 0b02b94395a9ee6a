# fence/: DRBD's handlers, and the proof that a lost node is gone
handlersdir = $(prefix)/lib/holdfast
handlers_PROGRAMS = fence/drbd-fence-peer fence/drbd-after-resync-target fence/drbd-before-resync-target

noinst_LIBRARIES += libfence.a
libfence_a_SOURCES = \
	fence/drbd-state.c fence/drbd-state.h fence/fence-decide.c fence/fence-decide.h fence/handler.c fence/handler.h \
	fence/members.c fence/members.h fence/proof.c fence/proof-confirmed.c fence/proof-fenced.c fence/proof-sources.h
libfence_a_CPPFLAGS = $(AM_CPPFLAGS) $(FENCING_CFLAGS) $(COROSYNC_CFLAGS)
FENCE_LIBS = libfence.a $(CIB_LIBS) $(FENCING_LIBS) $(COROSYNC_LIBS)

fence_drbd_fence_peer_SOURCES = fence/fence-peer.c
fence_drbd_fence_peer_LDADD = $(FENCE_LIBS) $(COMMON_LIBS)
fence_drbd_after_resync_target_SOURCES = fence/after-resync-target.c
fence_drbd_after_resync_target_LDADD = $(FENCE_LIBS) $(COMMON_LIBS)
fence_drbd_before_resync_target_SOURCES = fence/before-resync-target.c
fence_drbd_before_resync_target_LDADD = $(FENCE_LIBS) $(COMMON_LIBS)

noinst_HEADERS += fence/proof.h fence/drbd-state.h fence/fence-decide.h fence/handler.h fence/members.h fence/proof-sources.h
