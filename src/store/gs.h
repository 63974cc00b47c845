/* The driver of gs:// urls: Google Cloud Storage. */
#ifndef STBL_GS_H
#define STBL_GS_H

#include "store/supertable_storage.h"

extern const StblStoreDriver stbl_gs_driver;

#endif							/* STBL_GS_H */
