/* A body on its way in: sealed as it comes, by the connection's thread, before any key was asked from the keeper; then put
 * where sealed bytes lie. Append, Put Blob, Put Block and Append Block all begin with one.
 *
 *   begin (in begin), add (in body): never block
 *   finish, ref (in end, in the pool), then a commit of rows that name the segment, then settle with the commit's result
 *   free, whatever happened: what no row names goes away */
#ifndef EG_STORAGE_UPLOAD_H
#define EG_STORAGE_UPLOAD_H

#include "segment.h"

typedef struct eg_upload eg_upload;

/* length: how many bytes are announced, -1 = unknown. EG_ERR_DISK_FULL. */
eg_err eg_upload_begin(eg_storage *s, eg_str tenant, int64_t length, eg_upload **ret, eg_problem *p) EG_MUST_CHECK;
/* EG_ERR_LIMIT beyond EG_PUT_BLOB_MAX. */
eg_err eg_upload_add(eg_upload *u, eg_bytes b) EG_MUST_CHECK;
bool eg_upload_in_memory(const eg_upload *u);   /* so far: it will go into a pack */
uint64_t eg_upload_plain(const eg_upload *u);   /* bytes so far */
/* Seals the last chunk and puts the bytes in their place, not yet durably: eg_segment_store_sync does that, before a commit
 * that promises something. EG_ERR_INVALID when nothing was added. */
eg_err eg_upload_finish(eg_upload *u) EG_MUST_CHECK;
/* The finished segment for `owner`, whose data key this is. May be asked again for another owner; borrows from u until then. */
eg_err eg_upload_ref(eg_upload *u, eg_bytes key, const eg_id *owner, eg_segment_ref *ret) EG_MUST_CHECK;
/* After the commit that was to name the segment: EG_OK and whatever leaves it unclear keep the bytes, a refusal doesn't. */
void eg_upload_settle(eg_upload *u, eg_err committed);
void eg_upload_free(eg_upload *u);
EG_DEFINE_CLEANUP(eg_upload, eg_upload_free)

#endif
