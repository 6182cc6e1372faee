/* Fuzzes eg_graph_groups_read and eg_graph_token_read: what the groups' endpoint of an outside issuer answers. The first byte says which: 't' a token, anything else a page.
 *
 *   ./dev fuzz graph_answer */
#include "identity/graph_answer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GROUPS_MAX 64

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void read_groups(eg_str text) {
    eg_principal *who = eg_principal_new();
    char next[EG_GRAPH_LINK_MAX] = "";
    for (int page = 0; who && page < 2; page++) {
        const size_t before = who->group_count;
        const eg_err e = eg_graph_groups_read(text, GROUPS_MAX, who, next, NULL);
        require(who->group_count >= before && who->group_count <= GROUPS_MAX && strlen(next) < sizeof next);
        for (size_t i = 0; i < who->group_count; i++) {
            require(eg_uuid_valid(eg_str_of(who->groups[i])));
        }
        if (e != EG_OK) {
            break;
        }
    }
    eg_principal_unref(who);
}

static void read_token(eg_str text) {
    eg_buf token;
    int64_t life = -1;
    eg_buf_init(&token, 4096);
    if (eg_graph_token_read(text, &token, &life, NULL) == EG_OK) {
        require(token.len > 0 && token.len <= 4096 && life >= 0 && life <= 86400);
        require(!memchr(token.ptr, '\r', token.len) && !memchr(token.ptr, '\n', token.len) && !memchr(token.ptr, ' ', token.len));
    }
    eg_buf_done(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0) {
        const eg_str text = {(const char *)data + 1, size - 1};
        (data[0] == 't' ? read_token : read_groups)(text);
    }
    return 0;
}
