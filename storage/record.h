/* Authenticated rows: version ‖ body ‖ MAC, where the MAC also covers the row's kind and its key. */
#ifndef EG_STORAGE_RECORD_H
#define EG_STORAGE_RECORD_H

#include "store.h"

typedef enum eg_row_kind {
    EG_ROW_NONE = 0,
    EG_ROW_ACCOUNT,
    EG_ROW_CONTAINER,
    EG_ROW_ENTRY,
    EG_ROW_INODE,
    EG_ROW_EXTENT,
    EG_ROW_STAGED,
    EG_ROW_SEGMENT,
    EG_ROW_ORPHAN,
    EG_ROW_CONTINUATION,   /* not stored: the token of a listing */
    EG_ROW_PLACE = 20,     /* the numbers are in every MAC: never another one for the same kind */
    EG_ROW_BLOCK_HOME,
    EG_ROW_BLOCK,
    EG_ROW_BLOCK_LIST,
    EG_ROW_SCOPE = 40,
    EG_ROW_ACCOUNT_KEYS = 45,
    EG_ROW_STORED,
    EG_ROW_LEASE = 50,
    EG_ROW_DELETED,
    EG_ROW_DUE,
    EG_ROW_SNAPSHOT,
    EG_ROW_DELEGATOR = 60,
} eg_row_kind;

#define EG_ROW_VERSION 1
#define EG_ROW_MAC_LEN 16

/* Starts a value: the version byte. */
void eg_record_start(eg_buf *value, size_t max);
void eg_record_u8(eg_buf *b, uint8_t v);
void eg_record_u16(eg_buf *b, uint16_t v);
void eg_record_u32(eg_buf *b, uint32_t v);
void eg_record_u64(eg_buf *b, uint64_t v);
void eg_record_bytes(eg_buf *b, eg_bytes v);      /* as it is */
void eg_record_text(eg_buf *b, eg_bytes v);       /* u16 length before it; longer sticks EG_ERR_LIMIT */
/* Appends the MAC; also returns what stuck to the buffer before. */
eg_err eg_record_seal(const eg_account *a, eg_row_kind kind, eg_bytes key, eg_buf *value) EG_MUST_CHECK;

/* Reads fields in order; `bad` sticks when a field is not whole. */
typedef struct eg_record_reader {
    const uint8_t *p;
    size_t left;
    bool bad;
} eg_record_reader;

/* Checks version and MAC. EG_ERR_CORRUPT (counted in the metrics), EG_ERR_FORMAT_VERSION. The reader borrows `stored`. */
eg_err eg_record_open(const eg_account *a, eg_row_kind kind, eg_bytes key, eg_bytes stored, eg_record_reader *ret) EG_MUST_CHECK;
/* The same without the MAC: for the one row that holds the wrapped MAC key itself. */
eg_err eg_record_peek(eg_bytes stored, eg_record_reader *ret) EG_MUST_CHECK;
/* Whether the MAC fits, for bytes from outside, whose forgery is no damage of ours. */
bool eg_record_fits(const eg_account *a, eg_row_kind kind, eg_bytes key, eg_bytes stored);
uint8_t eg_record_get_u8(eg_record_reader *r);
uint16_t eg_record_get_u16(eg_record_reader *r);
uint32_t eg_record_get_u32(eg_record_reader *r);
uint64_t eg_record_get_u64(eg_record_reader *r);
eg_bytes eg_record_get_bytes(eg_record_reader *r, size_t n);
eg_bytes eg_record_get_text(eg_record_reader *r);
eg_id eg_record_get_id(eg_record_reader *r);
/* EG_ERR_CORRUPT unless everything was read and nothing is left. */
eg_err eg_record_end(const eg_record_reader *r) EG_MUST_CHECK;
/* Counts a failed verification and returns EG_ERR_CORRUPT. */
eg_err eg_record_corrupt(void);

#endif
