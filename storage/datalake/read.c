/* Reading in the words of the Data Lake API. */
#include "datalake.h"

#include "read_answer.h"

static eg_err describe(eg_request *rq, const eg_inode *i, bool partial) {
    (void)partial;
    return eg_dfs_describe(rq, i);
}

eg_err eg_dfs_read(eg_request *rq) {
    static const eg_read_how how = {.describe = describe};
    return eg_read_answer(rq, &how);
}
