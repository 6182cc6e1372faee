/* The rows of the Blob API. */
#include "batch.h"
#include "batch_body.h"
#include "block_list_xml.h"
#include "datalake.h"
#include "lease_request.h"
#include "lifecycle.h"
#include "request_body.h"

#include <embergate/actions.h>

#define DATA (EG_ROUTE_BLOCKING | EG_ROUTE_DATA_ACTION | EG_ROUTE_JOB_TOKEN | EG_ROUTE_ACL)
#define ROOT "/"
#define CONTAINER "/{filesystem}"
#define BLOB "/{filesystem}/{path*}"

#define ROW(method, pattern, query, action, mode, flags, handler, event) \
    {EG_SURFACE_BLOB, method, pattern, query, action, eg_target_container_scope, mode, flags, 0, NULL, NULL, handler, event}
#define CONTROL(method, query, action, handler, event) ROW(method, CONTAINER, query, action, EG_RECORD_EACH, EG_ROUTE_BLOCKING, handler, event)
#define CONTAINER_READ(method, query, handler) \
    ROW(method, CONTAINER, query, EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, EG_ROUTE_BLOCKING | EG_ROUTE_JOB_TOKEN, handler, "storage.filesystem.read")
/* Of an account that is in use, and of content that the page cache has, they are the worker's. */
#define READ(method, query, handler, event) ROW(method, BLOB, query, EG_ACTION_BLOB_READ, EG_RECORD_FIRST, DATA | EG_ROUTE_TRY_FIRST, handler, event)
#define WRITE(query, handler, event) ROW("PUT", BLOB, query, EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, DATA, handler, event)
#define UPLOAD(query, action, mode, max, begin, body, end, event) \
    {EG_SURFACE_BLOB, "PUT", BLOB, query, action, eg_target_container_scope, mode, DATA, max, begin, body, end, event}
#define ACCOUNT(method, pattern, query, action, mode, handler, event) \
    {EG_SURFACE_BLOB, method, pattern, query, action, NULL, mode, EG_ROUTE_BLOCKING, EG_SERVICE_BODY_MAX, NULL, NULL, handler, event}

static eg_err not_built(eg_request *rq) { return eg_target_not_built(rq, "The operation"); }

/* Authenticated is enough here: each part is authorised on its own. */
#define BATCH(pattern) \
    {EG_SURFACE_BLOB, "POST", pattern, "comp=batch", EG_ACTION_BLOB_DELETE, NULL, EG_RECORD_EACH, \
        EG_ROUTE_BLOCKING | EG_ROUTE_DATA_ACTION | EG_ROUTE_JOB_TOKEN | EG_ROUTE_ANY_PRINCIPAL, EG_BATCH_BODY_MAX, NULL, NULL, eg_blob_batch, \
        "storage.blob.batch"}

static const eg_route routes[] = {
    BATCH("/"),
    BATCH(CONTAINER),
    ACCOUNT("GET", ROOT, "restype=account", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, eg_blob_account_information, "storage.account.read"),
    ACCOUNT("GET", CONTAINER, "restype=account", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, eg_blob_account_information, "storage.account.read"),
    ACCOUNT("GET", BLOB, "restype=account", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, eg_blob_account_information, "storage.account.read"),
    ACCOUNT("HEAD", ROOT, "restype=account", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, eg_blob_account_information, "storage.account.read"),
    ACCOUNT("HEAD", CONTAINER, "restype=account", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, eg_blob_account_information, "storage.account.read"),
    ACCOUNT("HEAD", BLOB, "restype=account", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, eg_blob_account_information, "storage.account.read"),
    ACCOUNT("GET", ROOT, "comp=stats", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, eg_blob_service_stats, "storage.account.read"),
    ACCOUNT("GET", ROOT, "comp=properties", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, eg_blob_service_properties, "storage.account.read"),
    ACCOUNT("GET", ROOT, "comp=list", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, eg_dfs_account_list_xml, "storage.account.list"),
    ACCOUNT("GET", ROOT, NULL, EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, not_built, "storage.account.list"),
    ACCOUNT("PUT", ROOT, "comp=properties", EG_ACTION_CONTAINER_WRITE, EG_RECORD_EACH, eg_blob_service_properties_set, "storage.account.other"),

    /* Containers. */
    CONTROL("PUT", "comp=lease", EG_ACTION_CONTAINER_WRITE, eg_lease_container, "storage.filesystem.lease"),
    CONTROL("PUT", "comp=undelete", EG_ACTION_CONTAINER_WRITE, eg_undelete_container, "storage.filesystem.undelete"),
    CONTROL("PUT", "comp=metadata", EG_ACTION_CONTAINER_WRITE, eg_dfs_container_set_properties, "storage.filesystem.set_properties"),
    CONTROL("PUT", "comp", EG_ACTION_CONTAINER_WRITE, not_built, "storage.filesystem.other"),
    CONTROL("PUT", "restype=container", EG_ACTION_CONTAINER_WRITE, eg_dfs_container_create, "storage.filesystem.create"),
    CONTROL("DELETE", "restype=container", EG_ACTION_CONTAINER_DELETE, eg_dfs_container_delete, "storage.filesystem.delete"),
    CONTAINER_READ("GET", "comp=metadata", eg_blob_container_metadata),
    CONTAINER_READ("HEAD", "comp=metadata", eg_blob_container_metadata),
    ROW("GET", CONTAINER, "showonly=deleted", EG_ACTION_BLOB_READ, EG_RECORD_FIRST, DATA, eg_deleted_list, "storage.directory.list"),
    ROW("GET", CONTAINER, "comp=list", EG_ACTION_BLOB_READ, EG_RECORD_FIRST, DATA, eg_blob_list, "storage.directory.list"),
    ROW("GET", CONTAINER, "comp", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, EG_ROUTE_BLOCKING, not_built, "storage.filesystem.other"),
    CONTAINER_READ("GET", "restype=container", eg_dfs_container_properties),
    CONTAINER_READ("HEAD", "restype=container", eg_dfs_container_properties),

    /* Blobs. */
    WRITE("comp=metadata", eg_blob_metadata_set, "storage.path.set_properties"),
    WRITE("comp=properties", eg_blob_set_properties, "storage.path.set_properties"),
    WRITE("comp=lease", eg_lease_path, "storage.path.lease"),
    WRITE("comp=expiry", eg_expiry_set, "storage.path.set_expiry"),
    WRITE("comp=undelete", eg_undelete_path, "storage.path.undelete"),
    WRITE("comp=snapshot", eg_snapshot_take, "storage.blob.snapshot"),
    WRITE("comp=copy", eg_copy_abort, "storage.blob.copy"),
    UPLOAD("comp=block", EG_ACTION_BLOB_WRITE, EG_RECORD_FIRST, EG_APPEND_MAX, eg_blob_block_begin, eg_body_add, eg_blob_block_end, "storage.file.append"),
    {EG_SURFACE_BLOB, "PUT", BLOB, "comp=blocklist", EG_ACTION_BLOB_WRITE, eg_target_container_scope, EG_RECORD_EACH, DATA, EG_BLOCK_LIST_BODY_MAX,
        NULL, NULL, eg_blob_block_list_put, "storage.blob.put"},
    UPLOAD("comp=appendblock", EG_ACTION_BLOB_ADD, EG_RECORD_EACH, EG_APPEND_MAX, eg_blob_append_begin, eg_body_add, eg_blob_append_end, "storage.file.append"),
    WRITE("comp=seal", eg_blob_seal, "storage.path.set_properties"),
    WRITE("comp", not_built, "storage.path.other"),
    {EG_SURFACE_BLOB, "PUT", BLOB, NULL, EG_ACTION_BLOB_WRITE, eg_target_container_scope, EG_RECORD_EACH, DATA | EG_ROUTE_TRY_FIRST, EG_PUT_BLOB_MAX,
        eg_blob_put_begin, eg_body_add, eg_blob_put_end, "storage.blob.put"},
    READ("HEAD", "comp=metadata", eg_blob_metadata_get, "storage.path.status"),
    READ("HEAD", NULL, eg_blob_head, "storage.path.status"),
    READ("GET", "comp=metadata", eg_blob_metadata_get, "storage.path.status"),
    ROW("GET", BLOB, "comp=blocklist", EG_ACTION_BLOB_READ, EG_RECORD_FIRST, DATA, eg_blob_block_list, "storage.path.status"), /* may be long */
    READ("GET", "comp", not_built, "storage.path.other"),
    READ("GET", NULL, eg_blob_get, "storage.file.read"),
    ROW("DELETE", BLOB, "snapshot", EG_ACTION_BLOB_DELETE, EG_RECORD_EACH, DATA, eg_snapshot_delete, "storage.blob.delete_snapshot"),
    ROW("DELETE", BLOB, NULL, EG_ACTION_BLOB_DELETE, EG_RECORD_EACH, DATA, eg_blob_delete, "storage.path.delete"),
};

const eg_route *eg_blob_delete_route(bool snapshot) {
    const eg_route *last = &routes[sizeof routes / sizeof routes[0] - 1]; /* the table ends with the two rows of DELETE */
    return snapshot ? last - 1 : last;
}

const eg_route *eg_storage_blob_routes(size_t *ret_n) {
    *ret_n = sizeof routes / sizeof routes[0];
    return routes;
}
