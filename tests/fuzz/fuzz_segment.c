/* Fuzzes eg_segment_reader_new and eg_segment_reader_read with files that somebody else wrote: nothing but what was sealed is given.
 *
 *   ./dev fuzz segment */
#include "segment.h"

#include <embergate/durable_file.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PLAIN 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint8_t file_key[32] = {7};
static const eg_id inode = {{1}};

typedef struct sealed {
    int fd;
    eg_id id;
    eg_buf wrapped;
    eg_segment_size size;
} sealed;

static void seal(sealed *s) {
    static uint8_t plain[PLAIN];
    eg_segment_writer *w = NULL;
    s->id = (eg_id){{2}};
    s->fd = memfd_create("sealed", MFD_CLOEXEC);
    eg_buf_init(&s->wrapped, 160);
    memset(plain, 'p', sizeof plain);
    if (s->fd < 0 || eg_segment_writer_new(EG_LIT("t"), &s->id, dup(s->fd), &w) != EG_OK ||
        eg_segment_writer_add(w, (eg_bytes){plain, sizeof plain}) != EG_OK ||
        eg_segment_writer_wrap(w, (eg_bytes){file_key, 32}, &inode, &s->wrapped) != EG_OK ||
        eg_segment_writer_finish(w, &s->size) != EG_OK) {
        abort();
    }
    eg_segment_writer_free(w);
}

/* A copy of the sealed file over which the input is laid at the offset that its first bytes say. */
static int damaged(const sealed *s, const uint8_t *data, size_t n) {
    static uint8_t all[PLAIN + 1024];
    const int fd = memfd_create("damaged", MFD_CLOEXEC);
    const size_t at = eg_get_u32(data) % (size_t)s->size.stored;
    if (fd < 0 || eg_pread_all(s->fd, all, (size_t)s->size.stored, 0) != EG_OK ||
        eg_write_all(fd, (eg_bytes){all, (size_t)s->size.stored}) != EG_OK || pwrite(fd, data + 4, n - 4, (off_t)at) < 0) {
        abort();
    }
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static sealed s;
    static uint8_t out[EG_SEGMENT_CHUNK];
    if (n < 5) {
        return 0;
    }
    if (s.size.plain == 0) {
        seal(&s);
    }
    const eg_segment_ref ref = {.tenant = EG_LIT("t"), .id = s.id, .inode = inode, .wrapped = eg_buf_bytes(&s.wrapped), .size = s.size};
    eg_segment_reader *r = NULL;
    if (eg_segment_reader_new(&ref, (eg_bytes){file_key, 32}, damaged(&s, data, n), &r) != EG_OK) {
        return 0;
    }
    uint64_t at = 0;
    for (size_t got = 1; got > 0; at += got) {
        got = 0;
        if (eg_segment_reader_read(r, at, out, sizeof out, &got) != EG_OK) {
            break;
        }
        for (size_t i = 0; i < got; i++) {
            if (out[i] != 'p') {
                abort();
            }
        }
    }
    eg_segment_reader_free(r);
    return 0;
}
