/* A body on its way in, from the first byte to the row that names its segment. */
#include "upload.h"

#include "segment_store.h"
#include "writeback.h"

#include <stdlib.h>

struct eg_upload {
    eg_storage *store;
    eg_id id;
    bool begun;                /* the segment store knows the id */
    bool keep;                 /* a row names the segment */
    eg_segment_writer *writer;
    eg_segment_at at;
    uint64_t offset;
    uint64_t begun_to;         /* up to here the file is on its way to the disk */
    eg_segment_size size;      /* plain 0: not finished */
    eg_str tenant;             /* of the request */
    eg_buf wrapped;
};

#define WRITEBACK_STEP ((uint64_t)4 << 20)

/* What is small stays in memory until it is whole, and then goes into a pack. */
static eg_err make_file(eg_upload *u, int *ret_fd) {
    EG_TRY(eg_segment_store_create(u->store->segments, &u->id, ret_fd));
    u->begun = true;
    return EG_OK;
}

eg_err eg_upload_begin(eg_storage *s, eg_str tenant, int64_t length, eg_upload **ret, eg_problem *p) {
    EG_TRY(eg_segment_store_room(s->segments, p));
    EG_CLEANUP(eg_upload_free_p) eg_upload *u = calloc(1, sizeof *u);
    if (!u) {
        return EG_ERR_NO_MEMORY;
    }
    u->store = s;
    u->id = eg_id_new();
    u->tenant = tenant;
    eg_buf_init(&u->wrapped, EG_WRAPPED_KEY_MAX);
    int fd = -1;
    if (length > EG_PACKED_MAX) {
        EG_TRY(make_file(u, &fd));
    }
    EG_TRY(eg_segment_writer_new(tenant, &u->id, fd, &u->writer));
    eg_segment_writer_expect(u->writer, length > 0 ? (uint64_t)length : 0);
    *ret = u;
    u = NULL;
    return EG_OK;
}

eg_err eg_upload_add(eg_upload *u, eg_bytes b) {
    if (!u->begun && eg_segment_writer_plain(u->writer) + b.len > EG_PACKED_MAX) {
        int fd = -1;
        EG_TRY(make_file(u, &fd));
        EG_TRY(eg_segment_writer_spill(u->writer, fd));
    }
    EG_TRY(eg_segment_writer_add(u->writer, b));
    const uint64_t to = eg_segment_writer_plain(u->writer); /* a little less than the file has: the rest comes with the next step */
    if (u->begun && to - u->begun_to >= WRITEBACK_STEP) {
        eg_writeback_begin(u->store->writeback, eg_segment_writer_fd(u->writer), u->begun_to, to);
        u->begun_to = to;
    }
    return EG_OK;
}

bool eg_upload_in_memory(const eg_upload *u) { return !u->begun; }
uint64_t eg_upload_plain(const eg_upload *u) { return eg_segment_writer_plain(u->writer); }

eg_err eg_upload_finish(eg_upload *u) {
    EG_TRY(eg_segment_writer_finish(u->writer, &u->size));
    u->at = (eg_segment_at){u->id, u->id, 0};
    if (!u->begun) {
        eg_packs *packs = eg_segment_store_packs(u->store->segments);
        return eg_packs_append(packs, &u->id, eg_segment_writer_memory(u->writer), &u->at.file, &u->offset);
    }
    eg_writeback_begin(u->store->writeback, eg_segment_writer_fd(u->writer), u->begun_to, u->size.stored);
    return eg_segment_store_publish(u->store->segments, &u->id);
}

eg_err eg_upload_ref(eg_upload *u, eg_bytes key, const eg_id *owner, eg_segment_ref *ret) {
    if (u->size.plain == 0) {
        return EG_ERR_INVALID;
    }
    eg_buf_reset(&u->wrapped);
    EG_TRY(eg_segment_writer_wrap(u->writer, key, owner, &u->wrapped));
    *ret = (eg_segment_ref){.tenant = u->tenant, .id = u->id, .inode = *owner, .wrapped = eg_buf_bytes(&u->wrapped),
        .file = u->at.file, .offset = u->offset, .size = u->size};
    return EG_OK;
}

/* A refusal wrote nothing. After any other failure the row may be there all the same: then the bytes stay, and the sweep at
 * the next start decides by the row. */
static bool unclear(eg_err e) {
    const eg_category c = eg_err_category(e);
    return c == EG_CAT_INTERNAL || c == EG_CAT_STORAGE_FULL || c == EG_CAT_UNAVAILABLE;
}

void eg_upload_settle(eg_upload *u, eg_err committed) { u->keep = committed == EG_OK || unclear(committed); }

void eg_upload_free(eg_upload *u) {
    if (!u) {
        return;
    }
    eg_segment_writer_free(u->writer);
    if (u->begun) {
        eg_segment_store_settle(u->store->segments, &u->id, u->keep);
    } else if (u->offset > 0 && !u->keep) {
        eg_packs_dead(eg_segment_store_packs(u->store->segments), &u->at.file, u->size.stored);
    }
    eg_buf_done(&u->wrapped);
    free(u);
}
