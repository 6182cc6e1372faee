/* Requests about what a path was and will be: expiry, soft delete, snapshots, copies. Shared by both protocols. */
#ifndef EG_STORAGE_LIFECYCLE_H
#define EG_STORAGE_LIFECYCLE_H

#include "target.h"

/* comp=expiry. */
eg_err eg_expiry_set(eg_request *rq);
/* x-ms-expiry-option and -time of a create, as the attribute of what is made; `room` outlives the commit. */
eg_err eg_expiry_read(eg_request *rq, eg_inode *made, uint8_t room[8]) EG_MUST_CHECK;

/* comp=undelete of a path; restype=container&comp=undelete of a filesystem; showonly=deleted. */
eg_err eg_undelete_path(eg_request *rq);
eg_err eg_undelete_container(eg_request *rq);
eg_err eg_deleted_list(eg_request *rq);
/* The deleted filesystems, as <Container> elements: for include=deleted. */
eg_err eg_deleted_containers_xml(const eg_target *d, eg_kv_txn *t, eg_str prefix, eg_buf *b) EG_MUST_CHECK;

/* comp=snapshot; DELETE ?snapshot=; x-ms-delete-snapshots: only. */
eg_err eg_snapshot_take(eg_request *rq);
eg_err eg_snapshot_delete(eg_request *rq);
/* x-ms-delete-snapshots of a Delete Blob: what happens to the file's snapshots. *ret_only: they go and the file stays. */
eg_err eg_snapshot_read_delete(eg_request *rq, eg_path_delete *d, bool *ret_only) EG_MUST_CHECK;

/* Copy Blob and Put Blob From URL (x-ms-copy-source), from the same account; comp=copy, which aborts. */
eg_err eg_copy_put(eg_request *rq);
eg_err eg_copy_abort(eg_request *rq);
/* Put Block From URL and Append Block From URL: takes the source's range as the request's body (request_body.h); EG_OK without a source. */
eg_err eg_copy_pull(eg_request *rq, const eg_target *d) EG_MUST_CHECK;

/* x-ms-expiry-time, x-ms-copy-*, of what HEAD and GET answer. */
eg_err eg_lifecycle_headers(eg_request *rq, const eg_inode *i) EG_MUST_CHECK;

#endif
