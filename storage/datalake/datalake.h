/* The Data Lake protocol (dfs): handlers and what they share. */
#ifndef EG_STORAGE_DATALAKE_H
#define EG_STORAGE_DATALAKE_H

#include "target.h"

/* All that HEAD and GET say about a path. */
eg_err eg_dfs_describe(eg_request *rq, const eg_inode *i) EG_MUST_CHECK;
/* x-ms-content-type and its kin, and x-ms-properties. */
eg_err eg_dfs_read_attributes(eg_request *rq, bool set[EG_ATTR_COUNT], eg_bytes attr[EG_ATTR_COUNT]) EG_MUST_CHECK;

/* x-ms-client-transaction-id, given back; len 0 = none. */
eg_err eg_dfs_transaction_id(eg_request *rq, eg_str *ret) EG_MUST_CHECK;

/* Handlers, one file a group. */
eg_err eg_dfs_container_create(eg_request *rq);
eg_err eg_dfs_container_delete(eg_request *rq);
eg_err eg_dfs_container_properties(eg_request *rq);
eg_err eg_dfs_container_set_properties(eg_request *rq);
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
eg_err eg_dfs_set_access_recursive(eg_request *rq);
eg_err eg_dfs_list(eg_request *rq);
eg_err eg_dfs_read(eg_request *rq);
eg_err eg_dfs_append_begin(eg_request *rq);
eg_err eg_dfs_append_body(eg_request *rq, eg_bytes chunk);
eg_err eg_dfs_append_end(eg_request *rq);
eg_err eg_dfs_flush(eg_request *rq);

#endif
