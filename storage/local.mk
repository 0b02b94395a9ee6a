# storage/: a group's volumes on this node
noinst_LIBRARIES += libstorage.a
libstorage_a_SOURCES = \
	storage/storage.c storage/internal.h storage/status.c storage/replicas.c storage/holders.c \
	storage/file.c storage/file-lock.c storage/file-lock.h storage/blocking.c \
	storage/lvm.c storage/lvm-parse.c storage/lvm.h

noinst_HEADERS += storage/storage.h
STORAGE_LIBS = libstorage.a $(NL_LIBS)

UNIT_TESTS += tests/unit/test-storage-file
tests_unit_test_storage_file_LDADD = $(STORAGE_LIBS) $(UNIT_LIBS)
