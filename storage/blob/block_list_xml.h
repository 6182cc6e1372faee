/* The body of Put Block List. */
#ifndef EG_STORAGE_BLOCK_LIST_XML_H
#define EG_STORAGE_BLOCK_LIST_XML_H

#include <embergate/bytes.h>

#define EG_BLOCK_LIST_BODY_MAX ((size_t)8 << 20)   /* 50,000 ids of 88 characters, each with its tags */

typedef enum eg_block_where {
    EG_BLOCK_NOWHERE = 0,
    EG_BLOCK_COMMITTED,
    EG_BLOCK_UNCOMMITTED,
    EG_BLOCK_LATEST,
} eg_block_where;

/* <BlockList> of <Committed>, <Uncommitted> and <Latest>, in order, each with an id in base64. `each` gets it decoded: 1 to 64 bytes, for the
 * call. No other markup than a declaration before and blanks between. EG_ERR_BODY_XML, EG_ERR_BLOCK_ID; and what `each` returns. */
eg_err eg_block_list_parse(eg_str text, eg_err (*each)(void *ctx, eg_block_where where, eg_bytes id), void *ctx) EG_MUST_CHECK;
/* An id as it comes in a query or a body. EG_ERR_BLOCK_ID. */
#define EG_BLOCK_ID_RAW_MAX 64
eg_err eg_block_id_parse(eg_str base64, uint8_t ret[EG_BLOCK_ID_RAW_MAX], size_t *ret_n) EG_MUST_CHECK;

#endif
