/* Get Container Metadata; what else containers have is the same in both protocols (storage/datalake/container.c). */
#include "blob.h"

#include "metadata.h"

eg_err eg_blob_container_metadata(eg_request *rq) {
    eg_target d;
    eg_inode root;
    EG_TRY(eg_target_open(rq, &d));
    d.path = EG_LIT("");
    EG_TRY(eg_target_find(rq, &d, &root));
    EG_TRY(eg_target_check_container(rq, &root));
    EG_TRY(eg_target_etag(rq, &root));
    EG_TRY(eg_metadata_headers(rq, eg_bytes_str(root.attr[EG_ATTR_PROPERTIES])));
    return eg_respond_empty(rq, 200);
}
