/* Get Blob: the common read, in the Blob API's words. */
#include "blob.h"

#include "read_answer.h"

eg_err eg_blob_get(eg_request *rq) {
    static const eg_read_how how = {.describe = eg_blob_describe, .directories = true};
    return eg_read_answer(rq, &how);
}
