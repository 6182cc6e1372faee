/* What is known about a path: status, properties, permissions; and how they are set. */
#include "datalake.h"

#include "encryption.h"
#include "lease_request.h"
#include "lifecycle.h"
#include "metadata.h"
#include "permissions.h"

#include <embergate/actions.h>
#include <embergate/encoding.h>
#include <stdio.h>

/* Request header → attribute → response header. */
static const struct {
    eg_attr attr;
    const char *asked;
    const char *answered;
} content_headers[] = {
    {EG_ATTR_CONTENT_TYPE, "x-ms-content-type", "Content-Type"},
    {EG_ATTR_CONTENT_ENCODING, "x-ms-content-encoding", "Content-Encoding"},
    {EG_ATTR_CONTENT_LANGUAGE, "x-ms-content-language", "Content-Language"},
    {EG_ATTR_CONTENT_DISPOSITION, "x-ms-content-disposition", "Content-Disposition"},
    {EG_ATTR_CACHE_CONTROL, "x-ms-cache-control", "Cache-Control"},
    {EG_ATTR_CONTENT_MD5, "x-ms-content-md5", NULL}, /* of the whole file: not the range that is sent */
};

eg_err eg_dfs_read_attributes(eg_request *rq, bool set[EG_ATTR_COUNT], eg_bytes attr[EG_ATTR_COUNT]) {
    for (size_t i = 0; i < sizeof content_headers / sizeof content_headers[0]; i++) {
        const eg_str v = eg_request_header(rq, content_headers[i].asked);
        if (v.len > EG_ATTR_MAX) {
            return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %s is too long.", content_headers[i].asked);
        }
        if (v.len > 0) {
            set[content_headers[i].attr] = true;
            attr[content_headers[i].attr] = eg_str_bytes(v);
        }
    }
    const eg_str properties = eg_request_header(rq, "x-ms-properties");
    if (properties.len > EG_PROPERTIES_MAX || (properties.len > 0 && !eg_metadata_ok(properties))) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-properties is not a list of at most %d name=base64 pairs with different names.", EG_METADATA_NAMES_MAX);
    }
    if (properties.ptr) {
        set[EG_ATTR_PROPERTIES] = true;
        attr[EG_ATTR_PROPERTIES] = eg_str_bytes(properties);
    }
    return EG_OK;
}

static eg_err access_headers(eg_request *rq, const eg_inode *i) {
    char permissions[EG_PERMISSIONS_LEN];
    eg_acl acl;
    eg_buf text;
    const eg_str owner = eg_bytes_str(i->attr[EG_ATTR_OWNER]);
    const eg_str group = eg_bytes_str(i->attr[EG_ATTR_GROUP]);
    EG_TRY(eg_acl_of(i->mode, eg_bytes_str(i->attr[EG_ATTR_ACL]), &acl));
    eg_permissions_text(i->mode, permissions);
    EG_TRY(eg_response_header(rq, "x-ms-owner", "%.*s", EG_FMT(owner)));
    EG_TRY(eg_response_header(rq, "x-ms-group", "%.*s", EG_FMT(group)));
    EG_TRY(eg_response_header(rq, "x-ms-permissions", "%s%s", permissions, eg_acl_extended(&acl) ? "+" : ""));
    eg_buf_init(&text, EG_ACL_TEXT_MAX);
    eg_err e = eg_acl_text(&acl, &text);
    if (e == EG_OK) {
        e = eg_response_header(rq, "x-ms-acl", "%.*s", EG_FMT(eg_buf_str(&text)));
    }
    eg_buf_done(&text);
    return e;
}

eg_err eg_dfs_describe(eg_request *rq, const eg_inode *i) {
    const bool directory = i->kind == EG_KIND_DIRECTORY;
    char created[EG_HTTP_DATE_LEN];
    eg_time_http_date(i->created_ns, created);
    EG_TRY(eg_target_etag(rq, i));
    EG_TRY(access_headers(rq, i));
    EG_TRY(eg_response_header(rq, "x-ms-resource-type", "%s", directory ? "directory" : "file"));
    EG_TRY(eg_response_header(rq, "x-ms-creation-time", "%s", created));
    EG_TRY(eg_encryption_describe(rq, i));
    EG_TRY(eg_response_header(rq, "x-ms-blob-type", "BlockBlob"));
    EG_TRY(eg_lease_headers(rq, i));
    EG_TRY(eg_lifecycle_headers(rq, i));
    EG_TRY(eg_response_header(rq, "Accept-Ranges", "bytes"));
    for (size_t k = 0; k < sizeof content_headers / sizeof content_headers[0]; k++) {
        const eg_str v = eg_bytes_str(i->attr[content_headers[k].attr]);
        if (v.len > 0 && content_headers[k].answered) {
            EG_TRY(eg_response_header(rq, content_headers[k].answered, "%.*s", EG_FMT(v)));
        }
    }
    const eg_str tid = eg_bytes_str(i->attr[EG_ATTR_TRANSACTION_ID]);
    if (tid.len > 0) {
        EG_TRY(eg_response_header(rq, "x-ms-client-transaction-id", "%.*s", EG_FMT(tid)));
    }
    if (directory) {
        EG_TRY(eg_response_header(rq, "x-ms-meta-hdi_isfolder", "true"));
    }
    const eg_str properties = eg_bytes_str(i->attr[EG_ATTR_PROPERTIES]);
    if (properties.len > 0) {
        EG_TRY(eg_response_header(rq, "x-ms-properties", "%.*s", EG_FMT(properties)));
        if (properties.len <= EG_ATTR_MAX && eg_ns_inode_shown(i) + properties.len <= EG_SHOWN_MAX) { /* both forms at once must fit an answer's head */
            EG_TRY(eg_metadata_headers(rq, properties));
        }
    }
    return EG_OK;
}

/* need NONE: the route's own. */
static eg_err find_for_head(eg_request *rq, eg_need need, eg_inode *ret) {
    eg_target d;
    EG_TRY(eg_target_open(rq, &d));
    d.grant.need = need == EG_NEED_NONE ? d.grant.need : need;
    EG_TRY(eg_target_find(rq, &d, ret));
    return eg_target_check_read(rq, ret);
}

eg_err eg_dfs_status(eg_request *rq) {
    eg_inode i;
    eg_str action;
    const eg_err asked = eg_request_query(rq, "action", &action);
    if (asked != EG_ERR_NOT_FOUND && !(asked == EG_OK && eg_str_ieq(action, EG_LIT("getStatus")))) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter action is none of getStatus, getAccessControl and checkAccess.");
    }
    /* What people have said about a file is theirs to read who may read it, and behind the customer's key; the bare status is neither, and says nothing of that: as in Azure. */
    EG_TRY(find_for_head(rq, asked == EG_OK ? EG_NEED_NONE : EG_NEED_READ, &i));
    if (asked == EG_OK) {
        i.attr[EG_ATTR_PROPERTIES] = (eg_bytes){NULL, 0};
    } else {
        EG_TRY(eg_encryption_require(rq, &i));
    }
    EG_TRY(eg_dfs_describe(rq, &i));
    const eg_bytes type = i.attr[EG_ATTR_CONTENT_TYPE];
    return eg_respond_head(rq, 200, type.len > 0 ? NULL : "application/octet-stream", (int64_t)i.length);
}

eg_err eg_dfs_access_control(eg_request *rq) {
    eg_inode i;
    EG_TRY(find_for_head(rq, EG_NEED_NONE, &i));
    EG_TRY(eg_target_etag(rq, &i));
    EG_TRY(access_headers(rq, &i));
    return eg_respond_empty(rq, 200);
}

/* "rwx", "r--", …; the rights that no role grants are asked of the lists. */
static eg_err read_fs_action(eg_request *rq, unsigned *ret) {
    static const char letters[] = "rwx";
    eg_str v;
    unsigned want = 0;
    if (eg_request_query(rq, "fsAction", &v) != EG_OK || v.len != 3) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter fsAction must be three of r, w, x or -.");
    }
    for (size_t i = 0; i < 3; i++) {
        if (v.ptr[i] != letters[i] && v.ptr[i] != '-') {
            return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter fsAction must be three of r, w, x or -.");
        }
        want |= v.ptr[i] == letters[i] ? 4u >> i : 0u;
    }
    *ret = want;
    return EG_OK;
}

/* Says what an operation of those rights would be told: roles first, as a whole, then lists. */
eg_err eg_dfs_check_access(eg_request *rq) {
    static const char *const none[] = {NULL};
    static const char *const reads[] = {EG_ACTION_BLOB_READ, NULL};
    static const char *const writes[] = {EG_ACTION_BLOB_WRITE, NULL};
    static const char *const both[] = {EG_ACTION_BLOB_READ, EG_ACTION_BLOB_WRITE, NULL};
    static const char *const *const actions[] = {none, reads, writes, both};
    eg_target d;
    eg_inode i;
    unsigned want = 0;
    EG_TRY(read_fs_action(rq, &want));
    EG_TRY(eg_target_open(rq, &d));
    d.grant = eg_grant_at(rq, d.container, d.path, actions[(want & EG_ACL_W ? 2 : 0) + (want & (EG_ACL_R | EG_ACL_X) ? 1 : 0)]);
    d.grant.need = EG_NEED_CHECK;
    d.grant.want = want;
    EG_TRY(eg_target_find(rq, &d, &i));
    EG_TRY(eg_target_check_read(rq, &i));
    EG_TRY(eg_target_etag(rq, &i));
    return eg_respond_empty(rq, 200);
}

static eg_err update(eg_request *rq, const eg_target *d, eg_path_update *u, int status) {
    EG_TRY(eg_target_commit(rq, d, (eg_txn_op){eg_path_update_apply, u}, status));
    EG_TRY(eg_target_etag(rq, &u->base.after));
    return eg_respond_empty(rq, status);
}

/* Who changes the properties of a file with a customer's key brings it. */
static eg_err require_key(eg_request *rq, const eg_target *d) {
    eg_inode i;
    EG_TRY(eg_target_find(rq, d, &i));
    EG_TRY(eg_encryption_require(rq, &i));
    return eg_encryption_echo(rq, &i);
}

eg_err eg_dfs_set_properties(eg_request *rq) {
    eg_target d;
    eg_path_update u = {.touch = true};
    EG_TRY(eg_target_open(rq, &d));
    if (d.path.len == 0) {
        return eg_fail(&rq->problem, EG_ERR_PATH_INVALID, "The root directory has no properties; set those of the filesystem.");
    }
    EG_TRY(require_key(rq, &d));
    EG_TRY(eg_target_change(rq, &d, &u.base));
    EG_TRY(eg_dfs_read_attributes(rq, u.set, u.attr));
    EG_TRY(eg_response_header(rq, "x-ms-request-server-encrypted", "true"));
    return update(rq, &d, &u, 200);
}

/* Set Blob Metadata: the x-ms-meta-* headers become the properties. */
