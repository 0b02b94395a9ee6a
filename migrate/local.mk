# migrate/: source and target side of a move
noinst_LIBRARIES += libmigrate.a
libmigrate_a_SOURCES = \
	migrate/copy-rule.c \
	migrate/cpu-check.c \
	migrate/each.c \
	migrate/handlers.c \
	migrate/journal.c \
	migrate/memory-pack.c migrate/memory-pack.h \
	migrate/memory-wire.c migrate/memory-wire.h \
	migrate/move-state.c \
	migrate/moves.c \
	migrate/precopy.c \
	migrate/qemu-move.c \
	migrate/quick-memory.c migrate/quick-memory.h \
	migrate/source.c \
	migrate/source-back.c \
	migrate/source-prepare.c \
	migrate/source-streams.c \
	migrate/target.c \
	migrate/target-streams.c

noinst_HEADERS += migrate/migrate.h migrate/internal.h migrate/copy-rule.h migrate/cpu-check.h migrate/move-state.h
EXTRA_DIST += migrate/PROTOCOL.md
EXTRA_DIST += tests/integration/test-move-quick-cut.sh tests/integration/test-move-packed.sh tests/integration/move-parties.sh tests/integration/test-move-matrix-lab.sh
