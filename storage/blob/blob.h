/* The Blob protocol: handlers and what they share. */
#ifndef EG_STORAGE_BLOB_H
#define EG_STORAGE_BLOB_H

#include "target.h"

#define EG_BLOB_UMASK 027   /* the Blob API has no word for it; Azure's default */

/* EG_ATTR_BLOB_KIND. */
typedef enum eg_blob_kind {
    EG_BLOB_BLOCK = 0,         /* also every file of the Data Lake API */
    EG_BLOB_APPEND = 1,
    EG_BLOB_APPEND_SEALED = 2,
} eg_blob_kind;
eg_blob_kind eg_blob_kind_of(const eg_inode *i);
const char *eg_blob_type_name(const eg_inode *i);   /* "BlockBlob", "AppendBlob" */

/* All that HEAD and GET say about a blob; `partial`: of a range, so that Content-MD5 is not the blob's. */
eg_err eg_blob_describe(eg_request *rq, const eg_inode *i, bool partial) EG_MUST_CHECK;
/* x-ms-blob-content-type and its kin, or Content-Type and its kin; the properties that a write sets all at once. */
eg_err eg_blob_read_content_headers(eg_request *rq, bool plain_too, eg_bytes attr[EG_ATTR_COUNT]) EG_MUST_CHECK;
/* Content-MD5 of the blob as it is stored: base64. */
eg_err eg_blob_md5_text(eg_request *rq, const uint8_t md5[16], eg_bytes *ret) EG_MUST_CHECK;
/* The parts of <Properties> that a listing and a HEAD have in common: content headers, in XML. */
eg_err eg_blob_content_xml(eg_buf *b, const eg_inode *i);
/* What eg_path_create_apply refused, said as the Blob API does: a directory in the place of a blob is EG_ERR_RESOURCE_TYPE_MISMATCH. */
eg_err eg_blob_name_mismatch(eg_request *rq, const eg_path_create *c, eg_err e);
/* Owner, mode before umask, and id of what a request makes; kind as given. */
void eg_blob_fill_inode(const eg_request *rq, eg_kind kind, eg_inode *ret);

/* Handlers, one file a group. */
eg_err eg_blob_get(eg_request *rq);
eg_err eg_blob_head(eg_request *rq);
eg_err eg_blob_set_properties(eg_request *rq);
eg_err eg_blob_metadata_get(eg_request *rq);
eg_err eg_blob_metadata_set(eg_request *rq);
eg_err eg_blob_delete(eg_request *rq);
eg_err eg_blob_account_information(eg_request *rq);
eg_err eg_blob_service_stats(eg_request *rq);
#define EG_SERVICE_BODY_MAX ((size_t)65536)
eg_err eg_blob_service_properties(eg_request *rq);
eg_err eg_blob_service_properties_set(eg_request *rq);
eg_err eg_blob_container_metadata(eg_request *rq);
eg_err eg_blob_list(eg_request *rq);
eg_err eg_blob_block_begin(eg_request *rq);
eg_err eg_blob_block_end(eg_request *rq);
eg_err eg_blob_block_list(eg_request *rq);
eg_err eg_blob_block_list_put(eg_request *rq);
eg_err eg_blob_append_begin(eg_request *rq);
eg_err eg_blob_append_end(eg_request *rq);
eg_err eg_blob_seal(eg_request *rq);
eg_err eg_blob_put_begin(eg_request *rq);
eg_err eg_blob_put_end(eg_request *rq);

#endif
