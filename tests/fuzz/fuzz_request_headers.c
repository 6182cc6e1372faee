/* Fuzzes what storage reads from headers and query before it looks for anything: eg_conditions_read, eg_conditions_read_source, eg_lease_read_id, eg_lease_read_action,
 * eg_lease_read_proposed, eg_metadata_of_headers, eg_dfs_read_attributes, eg_blob_read_content_headers, eg_target_split, eg_target_query_page, eg_snapshot_time_parse and
 * eg_block_id_parse. The first line of the input is the path, the second the query, each other one a header.
 *
 *   ./dev fuzz request_headers */
#include "blob.h"
#include "block_list_xml.h"
#include "datalake.h"
#include "lease_request.h"
#include "metadata.h"
#include "snapshot.h"
#include "target.h"

#include <embergate/encoding.h>
#include <stdlib.h>

#define HEADERS_MAX 64
#define PAGE_MAX 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void read_conditions(eg_request *rq) {
    eg_conditions c;
    if (eg_conditions_read(rq, &c, NULL) == EG_OK) {
        require((c.if_match.len == 0) == (eg_request_header(rq, "If-Match").len == 0));
        eg_inode i = {.kind = EG_KIND_FILE};
        (void)!eg_conditions_check(&c, &i, NULL);
        (void)!eg_conditions_check_read(&c, &i, NULL);
        (void)!eg_conditions_check(&c, NULL, NULL);
    }
    (void)!eg_conditions_read_source(rq, &c, NULL);
}

static void read_lease(eg_request *rq) {
    bool has = false;
    eg_id id;
    if (eg_lease_read_id(rq, "x-ms-lease-id", &has, &id) == EG_OK) {
        char text[EG_UUID_LEN];
        eg_id again;
        if (has) {
            eg_lease_id_text(&id, text);
            require(eg_lease_id_parse(eg_str_of(text), &again) == EG_OK && memcmp(&id, &again, sizeof id) == 0);
        }
    }
    for (eg_lease_step step = EG_LEASE_STEP_APPEND; step <= EG_LEASE_STEP_FLUSH; step++) {
        eg_change c = {.has_lease = has, .lease = id};
        if (eg_lease_read_action(rq, &c, step) == EG_OK && c.lease_ask.action == EG_LEASE_ACT_ACQUIRE) {
            require(c.lease_ask.duration_s >= 15);
        }
        (void)!eg_lease_read_proposed(rq, &c);
    }
}

/* Whatever an attribute becomes is a header of an answer one day: one line. */
static void check_attributes(const eg_bytes attr[EG_ATTR_COUNT]) {
    for (size_t i = 0; i < EG_ATTR_COUNT; i++) {
        if (i != EG_ATTR_CONTENT_MD5 && attr[i].len > 0) {
            require(memchr(attr[i].ptr, '\n', attr[i].len) == NULL && memchr(attr[i].ptr, '\r', attr[i].len) == NULL && memchr(attr[i].ptr, '\0', attr[i].len) == NULL);
        }
    }
}

static void read_attributes(eg_request *rq) {
    bool set[EG_ATTR_COUNT] = {false};
    eg_bytes attr[EG_ATTR_COUNT] = {{NULL, 0}};
    eg_str all;
    if (eg_dfs_read_attributes(rq, set, attr) == EG_OK) {
        check_attributes(attr);
    }
    eg_bytes blob[EG_ATTR_COUNT] = {{NULL, 0}};
    if (eg_blob_read_content_headers(rq, true, blob) == EG_OK) {
        check_attributes(blob);
    }
    if (eg_metadata_of_headers(rq, NULL, &all) == EG_OK && all.len > 0) {
        require(eg_metadata_ok(all));
    }
}

static void read_query(eg_request *rq) {
    size_t page = 0;
    eg_str text;
    int64_t at = 0;
    char again[EG_SNAPSHOT_TIME_LEN];
    uint8_t id[EG_BLOCK_ID_RAW_MAX];
    size_t n = 0;
    if (eg_target_query_page(rq, "maxresults", PAGE_MAX, &page) == EG_OK) {
        require(page > 0 && page <= PAGE_MAX);
    }
    if (eg_request_query(rq, "snapshot", &text) == EG_OK && eg_snapshot_time_parse(text, &at) == EG_OK) {
        int64_t same = 0;
        eg_snapshot_time_text(at, again);
        require(eg_snapshot_time_parse(eg_str_of(again), &same) == EG_OK && same == at);
    }
    if (eg_request_query(rq, "blockid", &text) == EG_OK && eg_block_id_parse(text, id, &n) == EG_OK) {
        require(n > 0 && n <= EG_BLOCK_ID_RAW_MAX);
    }
}

static void read_path(eg_request *rq) {
    eg_str container;
    eg_str path;
    if (rq->path.len > 0 && rq->path.ptr[0] == '/' && eg_target_split(rq, &container, &path) == EG_OK) {
        require(container.len > 0 && memchr(container.ptr, '/', container.len) == NULL && (path.len == 0 || path.ptr[0] != '/'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    eg_header headers[HEADERS_MAX];
    eg_str rest = {(const char *)data, size};
    eg_arena *arena = eg_arena_new((size_t)256 << 10);
    eg_request *rq = calloc(1, sizeof *rq);
    require(rq && arena);
    rq->arena = arena;
    rq->method = EG_LIT("PUT");
    rq->headers = headers;
    const eg_str path = eg_str_cut(&rest, '\n');
    if (eg_percent_decode(arena, path, false, &rq->path) != EG_OK) {
        rq->path = EG_LIT("/data/f");
    }
    rq->query = rest.ptr ? eg_str_cut(&rest, '\n') : EG_LIT("");
    while (rest.ptr && rq->header_count < HEADERS_MAX) {
        eg_str value = eg_str_cut(&rest, '\n');
        const eg_str name = eg_str_cut(&value, ':');
        /* The door lets no CR and NUL of a header through. */
        if (name.len > 0 && value.ptr && !memchr(value.ptr, '\r', value.len) && !memchr(value.ptr, '\0', value.len)) {
            headers[rq->header_count++] = (eg_header){name, value};
        }
    }
    read_path(rq);
    read_query(rq);
    read_conditions(rq);
    read_lease(rq);
    read_attributes(rq);
    if (rq->free_state) {
        rq->free_state(rq->state);
    }
    free(rq);
    eg_arena_free(arena);
    return 0;
}
