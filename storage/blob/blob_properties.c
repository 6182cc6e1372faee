/* What is known about a blob: HEAD, Set Blob Properties, Get and Set Blob Metadata. */
#include "blob.h"

#include "encryption.h"
#include "json_text.h"
#include "lease_request.h"
#include "lifecycle.h"
#include "metadata.h"
#include "permissions.h"

#include <embergate/encoding.h>

/* Attribute; header that sets it; header that sets it too when a body comes; header of the answer; element in a listing. */
static const struct {
    eg_attr attr;
    const char *asked;
    const char *plain;
    const char *answered;
    const char *element;
} content_headers[] = {
    {EG_ATTR_CONTENT_TYPE, "x-ms-blob-content-type", "Content-Type", "Content-Type", "Content-Type"},
    {EG_ATTR_CONTENT_ENCODING, "x-ms-blob-content-encoding", "Content-Encoding", "Content-Encoding", "Content-Encoding"},
    {EG_ATTR_CONTENT_LANGUAGE, "x-ms-blob-content-language", "Content-Language", "Content-Language", "Content-Language"},
    {EG_ATTR_CONTENT_DISPOSITION, "x-ms-blob-content-disposition", NULL, "Content-Disposition", "Content-Disposition"},
    {EG_ATTR_CACHE_CONTROL, "x-ms-blob-cache-control", "Cache-Control", "Cache-Control", "Cache-Control"},
    {EG_ATTR_CONTENT_MD5, "x-ms-blob-content-md5", NULL, "Content-MD5", "Content-MD5"},
};
#define CONTENT_HEADERS (sizeof content_headers / sizeof content_headers[0])
#define MD5_LEN 16

eg_blob_kind eg_blob_kind_of(const eg_inode *i) {
    const eg_bytes v = i->attr[EG_ATTR_BLOB_KIND];
    return v.len == 1 ? (eg_blob_kind)v.ptr[0] : EG_BLOB_BLOCK;
}

const char *eg_blob_type_name(const eg_inode *i) { return eg_blob_kind_of(i) == EG_BLOB_BLOCK ? "BlockBlob" : "AppendBlob"; }

static eg_err check_md5(eg_request *rq, eg_str text) {
    uint8_t md5[MD5_LEN];
    size_t n = 0;
    if (text.len > 0 && (eg_unbase64(text, md5, sizeof md5, &n) != EG_OK || n != sizeof md5)) {
        return eg_fail(&rq->problem, EG_ERR_MD5_INVALID, "The MD5 value specified in the request is invalid. It must be 128 bits and base64-encoded.");
    }
    return EG_OK;
}

eg_err eg_blob_read_content_headers(eg_request *rq, bool plain_too, eg_bytes attr[EG_ATTR_COUNT]) {
    for (size_t i = 0; i < CONTENT_HEADERS; i++) {
        eg_str v = eg_request_header(rq, content_headers[i].asked);
        if (v.len == 0 && plain_too && content_headers[i].plain) {
            v = eg_request_header(rq, content_headers[i].plain);
        }
        if (v.len > EG_ATTR_MAX) {
            return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %s is too long.", content_headers[i].asked);
        }
        attr[content_headers[i].attr] = eg_str_bytes(v);
    }
    return check_md5(rq, eg_bytes_str(attr[EG_ATTR_CONTENT_MD5]));
}

eg_err eg_blob_md5_text(eg_request *rq, const uint8_t md5[16], eg_bytes *ret) {
    eg_buf text;
    eg_buf_init(&text, 64);
    const eg_err e = eg_base64((eg_bytes){md5, MD5_LEN}, &text);
    const eg_str copy = e == EG_OK ? eg_arena_str(rq->arena, eg_buf_str(&text)) : (eg_str){NULL, 0};
    eg_buf_done(&text);
    EG_TRY(e);
    *ret = eg_str_bytes(copy);
    return copy.ptr ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_blob_content_xml(eg_buf *b, const eg_inode *i) {
    for (size_t k = 0; k < CONTENT_HEADERS; k++) {
        const char *element = content_headers[k].element;
        eg_str v = eg_bytes_str(i->attr[content_headers[k].attr]);
        if (v.len == 0 && content_headers[k].attr == EG_ATTR_CONTENT_TYPE && i->kind == EG_KIND_FILE) {
            v = EG_LIT("application/octet-stream");
        }
        (void)eg_buf_addf(b, "<%s>", element);
        (void)eg_xml_text(b, v);
        (void)eg_buf_addf(b, "</%s>", element);
    }
    return b->err;
}

void eg_blob_fill_inode(const eg_request *rq, eg_kind kind, eg_inode *ret) {
    const bool known = rq->principal && rq->principal->object_id[0];
    *ret = (eg_inode){.id = eg_id_new(), .kind = kind, .mode = kind == EG_KIND_FILE ? 0666 : 0777};
    ret->attr[EG_ATTR_OWNER] = eg_str_bytes(known ? eg_str_of(rq->principal->object_id) : EG_LIT("$superuser"));
    ret->attr[EG_ATTR_GROUP] = eg_str_bytes(EG_LIT("$superuser"));
}

static eg_err content_answer(eg_request *rq, const eg_inode *i, bool partial) {
    for (size_t k = 0; k < CONTENT_HEADERS; k++) {
        const eg_str v = eg_bytes_str(i->attr[content_headers[k].attr]);
        const bool md5 = content_headers[k].attr == EG_ATTR_CONTENT_MD5;
        if (v.len > 0) {
            EG_TRY(eg_response_header(rq, md5 && partial ? "x-ms-blob-content-md5" : content_headers[k].answered, "%.*s", EG_FMT(v)));
        }
    }
    return EG_OK;
}

/* What accounts with directories say besides. */
static eg_err access_answer(eg_request *rq, const eg_inode *i) {
    char permissions[EG_PERMISSIONS_LEN];
    char acl[EG_PERMISSIONS_ACL_LEN];
    const eg_str stored = eg_bytes_str(i->attr[EG_ATTR_ACL]);
    eg_permissions_text(i->mode, permissions);
    eg_permissions_acl(i->mode, acl);
    EG_TRY(eg_response_header(rq, "x-ms-owner", "%.*s", EG_FMT(eg_bytes_str(i->attr[EG_ATTR_OWNER]))));
    EG_TRY(eg_response_header(rq, "x-ms-group", "%.*s", EG_FMT(eg_bytes_str(i->attr[EG_ATTR_GROUP]))));
    EG_TRY(eg_response_header(rq, "x-ms-permissions", "%s%s", permissions, stored.len > 0 ? "+" : ""));
    EG_TRY(eg_response_header(rq, "x-ms-acl", "%.*s", EG_FMT(stored.len > 0 ? stored : eg_str_of(acl))));
    return eg_response_header(rq, "x-ms-resource-type", "%s", i->kind == EG_KIND_DIRECTORY ? "directory" : "file");
}

static eg_err kind_answer(eg_request *rq, const eg_inode *i) {
    EG_TRY(eg_response_header(rq, "x-ms-blob-type", "%s", eg_blob_type_name(i)));
    if (eg_blob_kind_of(i) == EG_BLOB_BLOCK) {
        return EG_OK;
    }
    EG_TRY(eg_response_header(rq, "x-ms-blob-committed-block-count", "%llu", (unsigned long long)i->extents));
    return eg_blob_kind_of(i) == EG_BLOB_APPEND_SEALED ? eg_response_header(rq, "x-ms-blob-sealed", "true") : EG_OK;
}

eg_err eg_blob_describe(eg_request *rq, const eg_inode *i, bool partial) {
    char created[EG_HTTP_DATE_LEN];
    eg_time_http_date(i->created_ns, created);
    EG_TRY(eg_target_etag(rq, i));
    EG_TRY(kind_answer(rq, i));
    EG_TRY(eg_lease_headers(rq, i));
    EG_TRY(eg_lifecycle_headers(rq, i));
    EG_TRY(access_answer(rq, i));
    EG_TRY(eg_response_header(rq, "x-ms-creation-time", "%s", created));
    EG_TRY(eg_encryption_describe(rq, i));
    EG_TRY(eg_response_header(rq, "Accept-Ranges", "bytes"));
    EG_TRY(content_answer(rq, i, partial));
    EG_TRY(eg_metadata_headers(rq, eg_bytes_str(i->attr[EG_ATTR_PROPERTIES])));
    return i->kind == EG_KIND_DIRECTORY ? eg_response_header(rq, "x-ms-meta-hdi_isfolder", "true") : EG_OK;
}

static eg_err find_for_head(eg_request *rq, eg_inode *ret) {
    eg_target d;
    EG_TRY(eg_target_open(rq, &d));
    d.grant.need = EG_NEED_READ; /* its metadata is told, too */
    EG_TRY(eg_target_find(rq, &d, ret));
    EG_TRY(eg_target_check_read(rq, ret));
    return eg_encryption_require(rq, ret);
}

eg_err eg_blob_head(eg_request *rq) {
    eg_inode i;
    EG_TRY(find_for_head(rq, &i));
    EG_TRY(eg_blob_describe(rq, &i, false));
    const bool typed = i.attr[EG_ATTR_CONTENT_TYPE].len > 0;
    return eg_respond_head(rq, 200, typed ? NULL : "application/octet-stream", (int64_t)i.length);
}

eg_err eg_blob_metadata_get(eg_request *rq) {
    eg_inode i;
    EG_TRY(find_for_head(rq, &i));
    EG_TRY(eg_target_etag(rq, &i));
    EG_TRY(eg_metadata_headers(rq, eg_bytes_str(i.attr[EG_ATTR_PROPERTIES])));
    if (i.kind == EG_KIND_DIRECTORY) {
        EG_TRY(eg_response_header(rq, "x-ms-meta-hdi_isfolder", "true"));
    }
    return eg_respond_empty(rq, 200);
}

/* Who changes what is known about a blob with a customer's key brings it. */
static eg_err update(eg_request *rq, const eg_target *d, eg_path_update *u) {
    eg_inode now;
    EG_TRY(eg_target_find(rq, d, &now));
    EG_TRY(eg_encryption_require(rq, &now));
    EG_TRY(eg_target_change(rq, d, &u->base));
    EG_TRY(eg_target_commit(rq, d, (eg_txn_op){eg_path_update_apply, u}, 200));
    EG_TRY(eg_target_etag(rq, &u->base.after));
    EG_TRY(eg_encryption_echo(rq, &now));
    return eg_response_header(rq, "x-ms-request-server-encrypted", "true");
}

/* All content headers at once: what isn't sent is gone. */
eg_err eg_blob_set_properties(eg_request *rq) {
    eg_target d;
    eg_path_update u = {.touch = true};
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_blob_read_content_headers(rq, false, u.attr));
    for (size_t k = 0; k < CONTENT_HEADERS; k++) {
        u.set[content_headers[k].attr] = true;
    }
    EG_TRY(update(rq, &d, &u));
    return eg_respond_empty(rq, 200);
}

eg_err eg_blob_metadata_set(eg_request *rq) {
    eg_target d;
    eg_str all;
    eg_path_update u = {.touch = true};
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_metadata_of_headers(rq, "hdi_isfolder", &all));
    u.set[EG_ATTR_PROPERTIES] = true;
    u.attr[EG_ATTR_PROPERTIES] = eg_str_bytes(all);
    EG_TRY(update(rq, &d, &u));
    return eg_respond_empty(rq, 200);
}
