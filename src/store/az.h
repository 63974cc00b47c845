/* The driver of az:// urls: Azure Blob Storage. */
#ifndef STBL_AZ_H
#define STBL_AZ_H

#include "store/supertable_storage.h"

extern const StblStoreDriver stbl_az_driver;

#endif							/* STBL_AZ_H */
