/* Fuzzes eg_listing_token_read and eg_list_marker_read: the marks by which a listing's next page is asked for. Whatever name a page ended with, its mark leads back there
 * and only in this listing; any other text is refused. The first byte says which of the two the rest is.
 *
 *   ./dev fuzz page_mark */
#include "list_marker.h"
#include "listing.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static eg_account account = {.name = "acct", .tenant = "t"};

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

/* The name comes back from its own mark, and from nobody else's. */
static void round_trip(eg_arena *arena, eg_str name, bool flag) {
    const eg_listing here = {.account = &account, .directory = {{1}}, .recursive = flag};
    const eg_listing elsewhere = {.account = &account, .directory = {{1}}, .recursive = !flag};
    eg_name_walk walk = {.account = &account, .root = {{1}}, .prefix = EG_LIT("a"), .shallow = flag};
    eg_name_walk other = {.account = &account, .root = {{1}}, .prefix = EG_LIT("b"), .shallow = flag};
    eg_str after;
    eg_buf b;
    eg_buf_init(&b, 8192);
    if (eg_listing_token(&here, name, &b) == EG_OK) {
        require(eg_listing_token_read(&here, eg_buf_str(&b), arena, &after) == EG_OK && eg_str_eq(after, name));
        require(eg_listing_token_read(&elsewhere, eg_buf_str(&b), arena, &after) == EG_ERR_QUERY);
        require(eg_list_marker_read(eg_buf_str(&b), arena, &walk) == EG_ERR_QUERY);
    }
    b.len = 0;
    if (eg_list_marker(&walk, name, flag, &b) == EG_OK) {
        require(eg_list_marker_read(eg_buf_str(&b), arena, &walk) == EG_OK && eg_str_eq(walk.after, name) && walk.after_beneath == flag);
        require(eg_list_marker_read(eg_buf_str(&b), arena, &other) == EG_ERR_QUERY && other.after.len == 0);
    }
    eg_buf_done(&b);
}

/* Nobody without the key makes one. */
static void refuse(eg_arena *arena, eg_str text) {
    const eg_listing here = {.account = &account, .directory = {{1}}};
    eg_name_walk walk = {.account = &account, .root = {{1}}};
    eg_str after;
    require(eg_listing_token_read(&here, text, arena, &after) == EG_ERR_QUERY && eg_list_marker_read(text, arena, &walk) == EG_ERR_QUERY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t mac_key[32] = {9};
    if (size == 0) {
        return 0;
    }
    if (!account.mac_key) {
        require((account.mac_key = eg_secret_new(mac_key, sizeof mac_key)) != NULL);
    }
    eg_arena *arena = eg_arena_new((size_t)256 << 10);
    const eg_str text = {(const char *)data + 1, size - 1};
    if (data[0] == 't') {
        refuse(arena, text);
    } else {
        round_trip(arena, text, data[0] & 1);
    }
    eg_arena_free(arena);
    return 0;
}
