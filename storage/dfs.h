/* What the handlers of the Data Lake and Blob routes share. */
#ifndef EG_STORAGE_DFS_H
#define EG_STORAGE_DFS_H

#include "content.h"
#include "path_change.h"

/* Where a request points. */
typedef struct eg_dfs {
    eg_storage *store;
    const eg_account *account;
    eg_str container;
    eg_str path;             /* "" = the root directory; checked */
} eg_dfs;

/* Splits rq->path. Never blocks. EG_ERR_PATH_INVALID. */
eg_err eg_dfs_split(eg_request *rq, eg_str *ret_container, eg_str *ret_path) EG_MUST_CHECK;
/* Headers that ask for what isn't built: leases, customer-provided keys, … Never blocks. EG_ERR_STORAGE_NOT_BUILT. */
eg_err eg_dfs_refuse_unbuilt(eg_request *rq) EG_MUST_CHECK;
/* Refuses those, finds the account, names the resource for the
 * audit record and sets the headers that every answer has. Blocks on the keeper at an account's first use. */
eg_err eg_dfs_open(eg_request *rq, eg_dfs *ret) EG_MUST_CHECK;
/* The same for routes without a container. */
eg_err eg_dfs_open_account(eg_request *rq, eg_dfs *ret) EG_MUST_CHECK;
/* Place, conditions and time of a change. */
eg_err eg_dfs_change(eg_request *rq, const eg_dfs *d, eg_change *ret) EG_MUST_CHECK;
/* One transaction: the change and the request's audit record. */
eg_err eg_dfs_commit(eg_request *rq, const eg_dfs *d, eg_txn_op op, int status) EG_MUST_CHECK;
/* The audit record of the request as a step; false when the pipeline lends none. */
bool eg_dfs_record(eg_request *rq, int status, eg_txn_op *ret);

/* ETag and Last-Modified. */
eg_err eg_dfs_etag(eg_request *rq, const eg_inode *i) EG_MUST_CHECK;
/* All that HEAD and GET say about a path. */
eg_err eg_dfs_describe(eg_request *rq, const eg_inode *i) EG_MUST_CHECK;
/* Path and inode, with its attributes in the request's arena. */
eg_err eg_dfs_find(eg_request *rq, const eg_dfs *d, eg_inode *ret) EG_MUST_CHECK;
/* A query value: "true" or "false"; absent is `dflt`. */
eg_err eg_dfs_query_bool(eg_request *rq, const char *name, bool dflt, bool *ret) EG_MUST_CHECK;
eg_err eg_dfs_query_u64(eg_request *rq, const char *name, uint64_t *ret) EG_MUST_CHECK; /* EG_ERR_QUERY when absent */
/* x-ms-content-type and its kin, and x-ms-properties. */
eg_err eg_dfs_read_attributes(eg_request *rq, bool set[EG_ATTR_COUNT], eg_bytes attr[EG_ATTR_COUNT]) EG_MUST_CHECK;
/* Answers 501 in the surface's shape. */
eg_err eg_dfs_not_built(eg_request *rq, const char *what);
/* Tells usage and metrics; read or written bytes of this request. */
void eg_dfs_moved(const eg_request *rq, eg_storage *s, uint64_t read, uint64_t written);

/* Handlers, one file a group. */
eg_err eg_dfs_container_create(eg_request *rq);
eg_err eg_dfs_container_delete(eg_request *rq);
eg_err eg_dfs_container_properties(eg_request *rq);
eg_err eg_dfs_account_list_json(eg_request *rq);
eg_err eg_dfs_account_list_xml(eg_request *rq);
eg_err eg_dfs_create_file(eg_request *rq);
eg_err eg_dfs_create_directory(eg_request *rq);
eg_err eg_dfs_rename(eg_request *rq);
eg_err eg_dfs_delete(eg_request *rq);
eg_err eg_dfs_status(eg_request *rq);
eg_err eg_dfs_access_control(eg_request *rq);
eg_err eg_dfs_check_access(eg_request *rq);
eg_err eg_dfs_set_properties(eg_request *rq);
eg_err eg_dfs_set_access_control(eg_request *rq);
eg_err eg_dfs_set_metadata(eg_request *rq);
eg_err eg_dfs_list(eg_request *rq);
eg_err eg_dfs_read(eg_request *rq);
eg_err eg_dfs_append_begin(eg_request *rq);
eg_err eg_dfs_append_body(eg_request *rq, eg_bytes chunk);
eg_err eg_dfs_append_end(eg_request *rq);
eg_err eg_dfs_flush(eg_request *rq);

#endif
