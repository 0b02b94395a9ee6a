# migrate/: source and target side of a move
noinst_LIBRARIES += libmigrate.a
libmigrate_a_SOURCES = \
	migrate/handlers.c \
	migrate/journal.c \
	migrate/move-state.c \
	migrate/moves.c \
	migrate/qemu-move.c \
	migrate/source.c \
	migrate/source-back.c \
	migrate/target.c

noinst_HEADERS += migrate/migrate.h migrate/internal.h migrate/move-state.h
EXTRA_DIST += migrate/PROTOCOL.md
