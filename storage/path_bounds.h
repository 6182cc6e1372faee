/* That no path gets longer than a path may be: not when it is made, and not when a directory above it is renamed. */
#ifndef EG_STORAGE_PATH_BOUNDS_H
#define EG_STORAGE_PATH_BOUNDS_H

#include "namespace.h"

/* For every path that comes to be in a container, within its transaction: keeps the container's marks, which are at least as long
 * and as deep as any path in it. `c` is the container's row as it was read, and is brought up to date. */
eg_err eg_path_bounds_note(eg_kv_txn *t, const eg_account *a, eg_str container, eg_container *c, eg_str path) EG_MUST_CHECK;

typedef struct eg_path_move {
    const eg_account *account;
    eg_str from;
    eg_str to;                /* whole new path: also its last name when it goes into a directory */
    const eg_inode *moved;
    const eg_container *source;
    eg_str container;         /* the destination */
    eg_container *destination;
} eg_path_move;
/* Before a rename's first write: EG_ERR_PATH_INVALID when the path, or one beneath it, would be too long. Looks at what lies beneath only
 * when it gets longer and might come near a bound. Keeps the destination's marks. */
eg_err eg_path_bounds_move(eg_kv_txn *t, const eg_path_move *m, eg_problem *p) EG_MUST_CHECK;

#endif
