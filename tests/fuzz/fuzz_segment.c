/* Fuzzes eg_segment_reader_new and eg_segment_reader_read with files that somebody else wrote: nothing but what was sealed is given.
 *
 *   ./dev fuzz segment */
#include "segment.h"

#include <embergate/durable_file.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* One whole chunk, and a little more, so that there is a second one. */
#define PLAIN (EG_SEGMENT_CHUNK + 500)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint8_t file_key[32] = {7};
static const eg_id inode = {{1}};

typedef struct sealed {
    int fd;
    eg_id id;
    eg_buf wrapped;
    eg_segment_size size;
} sealed;

static uint8_t plain[PLAIN];

static void seal(sealed *s) {
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

/* Where the input is laid over the file: mostly where something other than ciphertext is. */
static size_t place(const sealed *s, const uint8_t *data) {
    const size_t near[] = {0, EG_SEGMENT_HEADER_LEN, EG_SEGMENT_HEADER_LEN + EG_SEGMENT_CHUNK, (size_t)s->size.stored - 64};
    const uint32_t at = eg_get_u32(data);
    return (at < 1u << 31 ? near[at % 4] + at / 4 % 64 : at) % (size_t)s->size.stored;
}

/* The sealed file with the input laid over it; it is one file all the time, and what the last input changed is put back first. */
static int damaged(const sealed *s, const uint8_t *data, size_t n) {
    static uint8_t whole[PLAIN + 1024];
    static int fd = -1;
    const size_t stored = (size_t)s->size.stored;
    static size_t last_at, last_n;
    if (fd < 0) {
        fd = memfd_create("damaged", MFD_CLOEXEC);
        last_n = stored;
        if (fd < 0 || eg_pread_all(s->fd, whole, stored, 0) != EG_OK) {
            abort();
        }
    }
    if (pwrite(fd, whole + last_at, last_n, (off_t)last_at) < 0 || ftruncate(fd, (off_t)stored) < 0) {
        abort();
    }
    last_at = place(s, data);
    last_n = n - 4 < stored - last_at ? n - 4 : stored - last_at;
    if (pwrite(fd, data + 4, n - 4, (off_t)last_at) < 0) {
        abort();
    }
    return dup(fd);
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
        if (memcmp(out, plain, got) != 0) {
            abort();
        }
    }
    eg_segment_reader_free(r);
    return 0;
}
