# clusterd/agent/: the resource agent ocf:holdfast:group
agentdir = $(ocfdir)/holdfast
agent_PROGRAMS = clusterd/agent/group
clusterd_agent_group_SOURCES = clusterd/agent/main.c clusterd/agent/agent.h clusterd/agent/local.c clusterd/agent/metadata.c \
	clusterd/agent/migrate.c clusterd/agent/monitor.c clusterd/agent/quit.c clusterd/agent/start.c clusterd/agent/stop.c
clusterd_agent_group_LDADD = libhypervisor.a $(CIB_LIBS) $(STORAGE_LIBS) $(COMMON_LIBS)
noinst_HEADERS += clusterd/agent/agent.h
