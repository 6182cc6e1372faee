/* Where the uncommitted blocks of a request's blob are, and the keys of both. */
#ifndef EG_STORAGE_BLOCK_HOME_H
#define EG_STORAGE_BLOCK_HOME_H

#include "blocks.h"
#include "encryption.h"

/* What stands at the name of a blob, and what waits for it. Attributes are in the request's arena. */
typedef struct eg_block_place {
    eg_blocks_of of;
    bool exists;
    eg_inode current;         /* when it exists */
    bool has_home;
    eg_inode home;            /* when it has one */
    eg_secret *customer;      /* the key that the request brings; NULL = none */
    eg_file_key_plan plan;    /* of a home that is made */
} eg_block_place;

/* EG_ERR_RESOURCE_TYPE_MISMATCH: a directory; EG_ERR_BLOB_TYPE: not a block blob; EG_ERR_PATH_CONFLICT: an ancestor is a file. `need` is asked first. */
eg_err eg_block_place_find(eg_request *rq, const eg_target *d, eg_need need, eg_block_place *ret) EG_MUST_CHECK;
/* Makes a home's inode (not its row) when there is none, and opens its key. */
eg_err eg_block_place_key(eg_request *rq, const eg_target *d, eg_block_place *p, eg_file_key **ret) EG_MUST_CHECK;
void eg_block_place_done(eg_block_place *p);

#endif
