/* The driver of file:// urls. */
#ifndef STBL_FILE_H
#define STBL_FILE_H

#include "store/supertable_storage.h"

extern const StblStoreDriver stbl_file_driver;

/* GUC supertable.fsync */
extern bool stbl_fsync;

#endif							/* STBL_FILE_H */
