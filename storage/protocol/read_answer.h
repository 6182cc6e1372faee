/* The answer to a read: conditions, a range of the content with its sums, and whatever headers the protocol gives. */
#ifndef EG_STORAGE_READ_ANSWER_H
#define EG_STORAGE_READ_ANSWER_H

#include "target.h"

typedef struct eg_read_how {
    /* All headers but those of the range; `partial`: the answer is a range. */
    eg_err (*describe)(eg_request *rq, const eg_inode *i, bool partial);
    bool directories;          /* a directory reads as an empty file; else EG_ERR_RESOURCE_TYPE_MISMATCH */
} eg_read_how;

/* The whole handler. `how` outlives the answer. */
eg_err eg_read_answer(eg_request *rq, const eg_read_how *how) EG_MUST_CHECK;

#endif
