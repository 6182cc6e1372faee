/* Blob Batch: up to 256 deletions in one request, each authorised, done, recorded and answered on its own. */
#ifndef EG_STORAGE_BATCH_H
#define EG_STORAGE_BATCH_H

#include "blob.h"

/* POST ?comp=batch of the account, and with restype=container of a container. */
eg_err eg_blob_batch(eg_request *rq);
/* The row of blob/routes.c that a DELETE of a blob, or with `snapshot` of a snapshot, is served by. */
const eg_route *eg_blob_delete_route(bool snapshot);

#endif
