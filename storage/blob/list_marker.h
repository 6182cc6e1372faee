/* The marker of List Blobs: behind which name a page goes on. It has a MAC, so that nobody else's text is taken for one. */
#ifndef EG_STORAGE_LIST_MARKER_H
#define EG_STORAGE_LIST_MARKER_H

#include "name_walk.h"

#define EG_LIST_MARKER_MAX (2 * EG_PATH_MAX)

/* base64url of (beneath, name), bound to container, prefix and whether the listing is shallow; all three as in *w. */
eg_err eg_list_marker(const eg_name_walk *w, eg_str name, bool beneath, eg_buf *ret) EG_MUST_CHECK;
/* Sets w->after and w->after_beneath. EG_ERR_QUERY when it isn't one of this listing's. */
eg_err eg_list_marker_read(eg_str marker, eg_arena *arena, eg_name_walk *w) EG_MUST_CHECK;

#endif
