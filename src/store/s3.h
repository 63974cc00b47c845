/* The driver of s3:// urls: S3 and the stores that speak like it. */
#ifndef STBL_S3_H
#define STBL_S3_H

#include "store/supertable_storage.h"

extern const StblStoreDriver stbl_s3_driver;

#endif							/* STBL_S3_H */
