# pg_supertable: build, install, test by PGXS.

MODULE_big = supertable
EXTENSION = control/supertable
DATA = $(wildcard control/supertable--*.sql)
HEADERS_supertable = src/store/supertable_storage.h
PGFILEDESC = "supertable - tables as Parquet on object storage"

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))

PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS = -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers $(STBL_CFLAGS)
SHLIB_LINK = -ljson-c -lroaring -lzstd -lsnappy -llz4 -ldeflate -lcurl -lcrypto

# setup comes first: the others need what it makes.
REGRESS = setup $(filter-out setup,$(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql))))
REGRESS_OPTS = --inputdir=.

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Loops over columns gain from vector instructions, which -O2 alone does not give everywhere.
src/parquet/%.o: CFLAGS += $(CFLAGS_VECTORIZE)

# PGXS tracks no headers: a changed one rebuilds all.
$(OBJS): $(wildcard src/*.h src/*/*.h)
