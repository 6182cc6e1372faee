/* Snapshots: what a file was at a time. A file's snapshots are a family: the file names it, and each snapshot is an inode of its
 * own that shares the content. A file that takes the file's place takes the family over. */
#ifndef EG_STORAGE_SNAPSHOT_H
#define EG_STORAGE_SNAPSHOT_H

#include "content.h"

/* EG_ATTR_SNAPSHOT of a file: its family (16); of a snapshot: family ‖ time (u64). */
#define EG_SNAPSHOT_FAMILY_LEN 16
#define EG_SNAPSHOTS_MAX 1000 /* of one name: List Blobs gives them all on the page of their blob */
/* "2026-11-23T06:03:36.1234567Z" and NUL: 100 ns, as Azure gives them. */
#define EG_SNAPSHOT_TIME_LEN 29
void eg_snapshot_time_text(int64_t at_ns, char ret[EG_SNAPSHOT_TIME_LEN]);
eg_err eg_snapshot_time_parse(eg_str text, int64_t *ret_ns) EG_MUST_CHECK;   /* EG_ERR_QUERY */

/* The snapshot of that time. EG_ERR_PATH_NOT_FOUND. */
eg_err eg_snapshot_find(eg_kv_txn *t, const eg_account *a, const eg_inode *base, int64_t at_ns, eg_inode *ret) EG_MUST_CHECK;
/* All of a file, oldest first; fn's error ends the walk and is returned. */
eg_err eg_snapshot_each(eg_kv_txn *t, const eg_account *a, const eg_inode *base,
    eg_err (*fn)(void *ctx, int64_t at_ns, const eg_inode *i), void *ctx) EG_MUST_CHECK;
eg_err eg_snapshot_any(eg_kv_txn *t, const eg_inode *base, bool *ret) EG_MUST_CHECK;

/* Takes one. */
typedef struct eg_snapshot_make {
    eg_change base;
    eg_inode made;             /* a new id, attributes of the file as it was found (or new metadata), its own wrapped key */
    const eg_inode *current;   /* the file as it was found */
    eg_bytes current_key;
    eg_bytes key;
    int64_t at_ns;             /* out: its name */
} eg_snapshot_make;
/* EG_ERR_BUSY: the file changed meanwhile, look again. EG_ERR_RESOURCE_TYPE_MISMATCH: a directory. */
eg_err eg_snapshot_make_apply(eg_kv_txn *t, void *make, eg_problem *p);

/* Deletes one (at_ns), or all of a file (at_ns 0), and leaves the file. */
typedef struct eg_snapshot_removal {
    eg_change base;
    int64_t at_ns;
} eg_snapshot_removal;
eg_err eg_snapshot_remove_apply(eg_kv_txn *t, void *del, eg_problem *p);

/* For what takes the place of `old`: moves the family over to *made, and off `old`, which is written. family: room for it. */
eg_err eg_snapshot_inherit(eg_kv_txn *t, const eg_account *a, eg_inode *old, eg_inode *made, uint8_t family[EG_SNAPSHOT_FAMILY_LEN]) EG_MUST_CHECK;
/* For the reclaimer: lets go of the family of a file that nobody names any more. Commits in steps. */
eg_err eg_snapshot_release(eg_storage *s, const eg_account *a, const eg_inode *orphan) EG_MUST_CHECK;

#endif
