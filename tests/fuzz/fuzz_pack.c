/* Fuzzes eg_pack_walk and eg_pack_frame_read with packs that somebody else wrote: every segment that is told lies within the file,
 * behind the one before.
 *
 *   ./dev fuzz pack */
#include "pack.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

typedef struct seen {
    uint64_t size;
    uint64_t end;
} seen;

static eg_err entry(void *ctx, const eg_pack_entry *e) {
    seen *s = ctx;
    if (e->stored == 0 || e->offset < s->end + EG_PACK_FRAME_LEN || e->offset > s->size || e->stored > s->size - e->offset) {
        abort();
    }
    s->end = e->offset + e->stored;
    return EG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const int fd = memfd_create("pack", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n) {
        abort();
    }
    seen s = {.size = n, .end = EG_PACK_HEADER_LEN};
    const eg_err e = eg_pack_walk(fd, entry, &s);
    if (e == EG_OK && s.end != n) {
        abort();
    }
    close(fd);
    return 0;
}
