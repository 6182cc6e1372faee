/* Walks a tree in the byte order of whole names, as the Blob API promises: `a`, `a-b`, `a/x`, `a0`. That is not the order of a walk that goes
 * depth first, since '-' comes before '/': what lies beneath a directory comes where its name and a '/' would stand.
 *
 * While it stands at a name, the directories whose beneath is still to come are those whose name is a beginning of it that a byte below '/'
 * follows: at most as many as the path is long. So neither the walk nor going on from a name needs more memory than a path. */
#ifndef EG_STORAGE_NAME_WALK_H
#define EG_STORAGE_NAME_WALK_H

#include "grant.h"

typedef struct eg_name_walk {
    const eg_account *account;
    const eg_grant *grant;     /* asked for each directory that is entered; NULL = refused */
    eg_id root;                /* of the container */
    eg_str prefix;             /* whole names that begin so; any text */
    bool shallow;              /* what lies beneath a directory is one: "directory/", and the directory itself isn't given */
    eg_str after;              /* to go on behind this name; len 0 = from the start */
    bool after_beneath;        /* and behind all that lies beneath it */
    bool inclusive;            /* not behind `after`, but from it on */
    /* name: whole, borrowed for the call. `beneath`: stands for all beneath the directory. *ret_stop ends the walk; this entry counts as not
     * given then. */
    eg_err (*each)(void *ctx, eg_str name, const eg_entry *e, bool beneath, bool *ret_stop);
    void *ctx;
} eg_name_walk;

eg_err eg_name_walk_run(eg_kv_txn *t, const eg_name_walk *w) EG_MUST_CHECK;

#endif
