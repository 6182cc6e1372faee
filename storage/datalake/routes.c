/* The rows of the Data Lake API. What names `comp` or `restype` is the Blob API's, whichever host name it came to. */
#include "datalake.h"

#include "lease_request.h"

#include <embergate/actions.h>

#define DATA (EG_ROUTE_BLOCKING | EG_ROUTE_DATA_ACTION | EG_ROUTE_JOB_TOKEN | EG_ROUTE_ACL)
#define SHORT (DATA | EG_ROUTE_TRY_FIRST) /* of an account that is in use it waits for nothing but a commit, whose answer comes later */
#define CONTROL EG_ROUTE_BLOCKING
#define CONTROL_READ (EG_ROUTE_BLOCKING | EG_ROUTE_JOB_TOKEN)
#define ROOT "/"
#define FS "/{filesystem}"
#define PATH "/{filesystem}/{path*}"

static eg_err not_built(eg_request *rq) { return eg_target_not_built(rq, "The operation"); }

/* Azure tells those of the root directory only as its filesystem's. */
static eg_err no_properties(eg_request *rq) {
    eg_target d;
    eg_inode i;
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_find(rq, &d, &i));
    return eg_fail(&rq->problem, EG_ERR_QUERY_MISSING, "The root directory has no properties: ask for those of the filesystem (resource=filesystem), or for its status (action=getStatus).");
}

#define ROW(method, pattern, query, action, mode, flags, handler, event) \
    {EG_SURFACE_DFS, method, pattern, query, action, eg_target_container_scope, mode, flags, 0, NULL, NULL, handler, event}
#define ACCOUNT_ROW(query, handler) \
    {EG_SURFACE_DFS, "GET", ROOT, query, EG_ACTION_CONTAINER_READ, NULL, EG_RECORD_FIRST, CONTROL, 0, NULL, NULL, handler, "storage.account.list"}

static const eg_route routes[] = {
    ACCOUNT_ROW("resource=account", eg_dfs_account_list_json),
    ACCOUNT_ROW(NULL, not_built),

    ROW("PUT", FS, "resource=filesystem", EG_ACTION_CONTAINER_WRITE, EG_RECORD_EACH, CONTROL, eg_dfs_container_create, "storage.filesystem.create"),
    ROW("DELETE", FS, "resource=filesystem", EG_ACTION_CONTAINER_DELETE, EG_RECORD_EACH, CONTROL, eg_dfs_container_delete, "storage.filesystem.delete"),
    ROW("HEAD", FS, "resource=filesystem", EG_ACTION_CONTAINER_READ, EG_RECORD_FIRST, CONTROL_READ, eg_dfs_container_properties, "storage.filesystem.read"),
    ROW("GET", FS, "resource=filesystem", EG_ACTION_BLOB_READ, EG_RECORD_FIRST, DATA, eg_dfs_list, "storage.directory.list"),

    ROW("PATCH", FS, "resource=filesystem", EG_ACTION_CONTAINER_WRITE, EG_RECORD_EACH, CONTROL, eg_dfs_container_set_properties, "storage.filesystem.set_properties"),

    /* The root directory. */
    ROW("HEAD", FS, "action=getAccessControl", EG_ACTION_BLOB_READ, EG_RECORD_FIRST, SHORT, eg_dfs_access_control, "storage.path.get_access"),
    ROW("HEAD", FS, "action=checkAccess", EG_ACTION_BLOB_READ, EG_RECORD_FIRST, SHORT, eg_dfs_check_access, "storage.path.check_access"),
    ROW("HEAD", FS, "action=getStatus", EG_ACTION_BLOB_READ, EG_RECORD_FIRST, SHORT, eg_dfs_status, "storage.path.status"),
    ROW("HEAD", FS, NULL, EG_ACTION_BLOB_READ, EG_RECORD_FIRST, DATA, no_properties, "storage.path.status"),
    ROW("PATCH", FS, "action=setAccessControlRecursive", EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, DATA, eg_dfs_set_access_recursive, "storage.path.set_access"),
    ROW("PATCH", FS, "action=setAccessControl", EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, DATA, eg_dfs_set_access_control, "storage.path.set_access"),
    ROW("PATCH", FS, "action=setProperties", EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, DATA, eg_dfs_set_properties, "storage.path.set_properties"),
    ROW("PUT", FS, NULL, EG_ACTION_BLOB_MOVE, EG_RECORD_EACH, SHORT, eg_dfs_rename, "storage.path.rename"),
    ROW("DELETE", FS, NULL, EG_ACTION_BLOB_DELETE, EG_RECORD_EACH, SHORT, eg_dfs_delete, "storage.path.delete"),

    /* Files and directories. */
    ROW("PUT", PATH, "resource=file", EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, SHORT, eg_dfs_create_file, "storage.file.create"),
    ROW("PUT", PATH, "resource=directory", EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, SHORT, eg_dfs_create_directory, "storage.directory.create"),
    ROW("PUT", PATH, NULL, EG_ACTION_BLOB_MOVE, EG_RECORD_EACH, SHORT, eg_dfs_rename, "storage.path.rename"),
    {EG_SURFACE_DFS, "PATCH", PATH, "action=append", EG_ACTION_BLOB_WRITE, eg_target_container_scope, EG_RECORD_FIRST, DATA, EG_APPEND_MAX,
        eg_dfs_append_begin, eg_dfs_append_body, eg_dfs_append_end, "storage.file.append"},
    ROW("PATCH", PATH, "action=flush", EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, SHORT, eg_dfs_flush, "storage.file.flush"),
    ROW("PATCH", PATH, "action=setProperties", EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, DATA, eg_dfs_set_properties, "storage.path.set_properties"),
    ROW("PATCH", PATH, "action=setAccessControlRecursive", EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, DATA, eg_dfs_set_access_recursive, "storage.path.set_access"),
    ROW("PATCH", PATH, "action=setAccessControl", EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, DATA, eg_dfs_set_access_control, "storage.path.set_access"),
    ROW("PATCH", PATH, NULL, EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, DATA, not_built, "storage.path.other"),
    ROW("POST", PATH, NULL, EG_ACTION_BLOB_WRITE, EG_RECORD_EACH, DATA, eg_lease_path, "storage.path.lease"),
    ROW("HEAD", PATH, "action=getAccessControl", EG_ACTION_BLOB_READ, EG_RECORD_FIRST, SHORT, eg_dfs_access_control, "storage.path.get_access"),
    ROW("HEAD", PATH, "action=checkAccess", EG_ACTION_BLOB_READ, EG_RECORD_FIRST, SHORT, eg_dfs_check_access, "storage.path.check_access"),
    ROW("HEAD", PATH, NULL, EG_ACTION_BLOB_READ, EG_RECORD_FIRST, SHORT, eg_dfs_status, "storage.path.status"),
    ROW("GET", PATH, NULL, EG_ACTION_BLOB_READ, EG_RECORD_FIRST, SHORT, eg_dfs_read, "storage.file.read"),
    ROW("DELETE", PATH, NULL, EG_ACTION_BLOB_DELETE, EG_RECORD_EACH, SHORT, eg_dfs_delete, "storage.path.delete"),
};

const eg_route *eg_storage_routes(size_t *ret_n) {
    *ret_n = sizeof routes / sizeof routes[0];
    return routes;
}
