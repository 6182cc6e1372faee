/* List Blobs: what is included, and one entry in XML. */
#ifndef EG_STORAGE_LIST_BLOBS_H
#define EG_STORAGE_LIST_BLOBS_H

#include "blob.h"
#include "name_walk.h"

/* Words of the query parameter `include`, as bits. */
enum {
    EG_LIST_SNAPSHOTS = 1,
    EG_LIST_METADATA = 2,
    EG_LIST_UNCOMMITTED = 4,
    EG_LIST_COPY = 8,
    EG_LIST_DELETED = 16,
    EG_LIST_TAGS = 32,
    EG_LIST_VERSIONS = 64,
    EG_LIST_DELETED_VERSIONS = 128,
    EG_LIST_IMMUTABILITY = 256,
    EG_LIST_LEGAL_HOLD = 512,
    EG_LIST_PERMISSIONS = 1024,
};

/* A page that is being made, within one transaction. */
typedef struct eg_list_page {
    eg_request *rq;
    eg_storage *store;
    eg_kv_txn *t;
    int64_t forward_ns;       /* of leases and expiry */
    eg_name_walk walk;
    unsigned include;
    unsigned show;            /* EG_LIST_SHOW_*; 0 = all */
    size_t max;
    size_t given;
    size_t looked;            /* entries that were passed, given or not */
    eg_buf body;
    eg_buf last;              /* the name that was passed last */
    bool last_beneath;
    bool more;
    struct eg_extra_names *extra;  /* names that the tree doesn't have, in order, still to come; NULL = none are asked for */
} eg_list_page;

enum { EG_LIST_SHOW_FILES = 1, EG_LIST_SHOW_DIRECTORIES = 2, EG_LIST_SHOW_DELETED = 4 };

/* What stands in <Blob> besides name and the properties of an inode: an earlier state of it. All "" for the blob itself. */
typedef struct eg_list_state {
    eg_str snapshot;          /* time */
    eg_str version;           /* id */
    bool current;
    bool deleted;
    uint64_t deletion;        /* its id, of what is kept for undelete */
    eg_str deleted_xml;       /* DeletedTime and RemainingRetentionDays, as XML among the properties; "" = none */
} eg_list_state;
/* <Blob>…</Blob> */
eg_err eg_list_blob_xml(eg_list_page *g, eg_str name, const eg_inode *i, const eg_list_state *state);
/* <BlobPrefix>…</BlobPrefix>; i: the directory. */
eg_err eg_list_prefix_xml(eg_list_page *g, eg_str name, const eg_inode *i);
/* <Blob> of a name that has uncommitted blocks only. */
eg_err eg_list_uncommitted_xml(eg_list_page *g, eg_str name, int64_t touched_ns);

/* Where more entries come from than the tree: states of a blob that is given (`of_blob`, called before the blob itself), and names that the
 * tree doesn't have (`names`, which offers each to eg_extra_offer). A table in list_sources.c has them all. */
typedef struct eg_list_source {
    unsigned include;         /* any of these bits asks for it */
    eg_err (*of_blob)(eg_list_page *g, eg_str name, const eg_inode *i);
    eg_err (*names)(eg_list_page *g);
    eg_err (*give)(eg_list_page *g, eg_str name, int64_t note);
} eg_list_source;
extern const eg_list_source eg_list_sources[];
extern const size_t eg_list_source_count;
enum { EG_LIST_SOURCE_UNCOMMITTED = 0, EG_LIST_SOURCE_SNAPSHOTS, EG_LIST_SOURCE_DELETED };
/* list_states.c: a blob's snapshots; names that are kept for undelete. */
eg_err eg_list_snapshots_of(eg_list_page *g, eg_str name, const eg_inode *i);
eg_err eg_list_deleted_names(eg_list_page *g);
eg_err eg_list_deleted_xml(eg_list_page *g, eg_str name, int64_t deletion);
/* Keeps a name if it belongs to this page: the prefix fits, it lies behind where the page begins, and it is among the smallest. */
eg_err eg_extra_offer(eg_list_page *g, const eg_list_source *from, eg_str name, int64_t note) EG_MUST_CHECK;
eg_err eg_extra_collect(eg_list_page *g) EG_MUST_CHECK;
/* Gives those that come before `name` (ptr NULL: all); *ret_full when the page is. */
eg_err eg_extra_give_before(eg_list_page *g, eg_str name, bool *ret_full) EG_MUST_CHECK;
void eg_extra_free(struct eg_extra_names *x);

#endif
