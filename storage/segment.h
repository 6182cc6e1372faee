/* A sealed segment: one run of bytes, encrypted in chunks under a key of its own. docs/SEGMENT-FORMAT.md has the layout. */
#ifndef EG_STORAGE_SEGMENT_H
#define EG_STORAGE_SEGMENT_H

#include "store.h"

#define EG_SEGMENT_CHUNK_LOG2 16
#define EG_SEGMENT_CHUNK ((size_t)1 << EG_SEGMENT_CHUNK_LOG2)
#define EG_SEGMENT_HEADER_LEN 96

typedef struct eg_segment_size {
    uint64_t plain;    /* bytes that went in; never 0 */
    uint64_t stored;   /* bytes of the file */
    uint32_t chunks;
} eg_segment_size;

/* Both lengths follow from the plain one. */
eg_segment_size eg_segment_size_of(uint64_t plain);

/* Seals as bytes come. Not thread-safe. */
typedef struct eg_segment_writer eg_segment_writer;
/* fd: an empty file, taken (also on failure); -1: what is sealed is kept in memory. Chooses the segment's key and salt. */
eg_err eg_segment_writer_new(eg_str tenant, const eg_id *id, int fd, eg_segment_writer **ret) EG_MUST_CHECK;
/* Before the first byte: how many will come. Then they are sealed where they arrive, without a copy, since it is known which chunk is the last; more or fewer of
 * them are EG_ERR_INVALID. */
void eg_segment_writer_expect(eg_segment_writer *w, uint64_t plain);
/* Moves what is kept in memory to an empty file, taken also on failure, and goes on there. */
eg_err eg_segment_writer_spill(eg_segment_writer *w, int fd) EG_MUST_CHECK;
/* What was sealed so far and is kept in memory; borrowed. */
eg_bytes eg_segment_writer_memory(const eg_segment_writer *w);
/* Writes whole chunks to the page cache or to memory; never waits for the disk. EG_ERR_DISK_FULL, EG_ERR_IO. */
eg_err eg_segment_writer_add(eg_segment_writer *w, eg_bytes b) EG_MUST_CHECK;
/* Seals the last chunk. EG_ERR_INVALID when nothing was added. */
eg_err eg_segment_writer_finish(eg_segment_writer *w, eg_segment_size *ret) EG_MUST_CHECK;
uint64_t eg_segment_writer_plain(const eg_segment_writer *w);   /* added so far */
/* The segment's key sealed under the file's data key, bound to (tenant, inode, segment). */
eg_err eg_segment_writer_wrap(const eg_segment_writer *w, eg_bytes file_key, const eg_id *inode, eg_buf *ret) EG_MUST_CHECK;
int eg_segment_writer_fd(const eg_segment_writer *w);           /* borrowed; -1 = in memory */
void eg_segment_writer_free(eg_segment_writer *w);              /* closes fd */
EG_DEFINE_CLEANUP(eg_segment_writer, eg_segment_writer_free)

/* What a reader must know about a segment; all of it from authenticated rows. */
typedef struct eg_segment_ref {
    eg_str tenant;
    eg_id id;
    eg_id inode;         /* the owner that `wrapped` is for */
    eg_bytes wrapped;    /* segment key, as eg_segment_writer_wrap made it */
    eg_id file;          /* that it lies in: its own id, or a pack's */
    uint64_t offset;     /* of the segment in its file */
    eg_segment_size size;
} eg_segment_ref;

/* The same segment for another owner: opens ref->wrapped with from_key and seals it under to_key, bound to `to`. The
 * segment itself stays as it is. EG_ERR_CORRUPT when it doesn't open. */
eg_err eg_segment_rewrap(const eg_segment_ref *ref, eg_bytes from_key, eg_bytes to_key, const eg_id *to, eg_buf *ret) EG_MUST_CHECK;

/* Random access. A chunk is verified before its first byte is given. Not thread-safe. */
typedef struct eg_segment_reader eg_segment_reader;
/* fd taken, also on failure. EG_ERR_CORRUPT: header, commitment, length or wrapped key don't fit. */
eg_err eg_segment_reader_new(const eg_segment_ref *ref, eg_bytes file_key, int fd, eg_segment_reader **ret) EG_MUST_CHECK;
/* Up to cap bytes from `offset` on, at most to the end of a chunk; *ret_n 0 at or past the segment's end. */
eg_err eg_segment_reader_read(eg_segment_reader *r, uint64_t offset, uint8_t *buf, size_t cap, size_t *ret_n) EG_MUST_CHECK;
/* The same without waiting for the disk. EG_ERR_BUSY: it must be read the other way. */
eg_err eg_segment_reader_try(eg_segment_reader *r, uint64_t offset, uint8_t *buf, size_t cap, size_t *ret_n) EG_MUST_CHECK;
void eg_segment_reader_free(eg_segment_reader *r);
EG_DEFINE_CLEANUP(eg_segment_reader, eg_segment_reader_free)

#endif
