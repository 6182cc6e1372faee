/* Lists of resources: what of them is shown to whom, in which order, and in pages. */
#include "arm_state.h"

#include <embergate/encoding.h>

#include <stdlib.h>

#define TOKEN_MAX ((size_t)EG_ARM_ID_MAX)

bool eg_arm_may(eg_request *rq, const char *action, const char *id) {
    return rq->ops->decide_at && rq->ops->decide_at(rq, action, false, eg_str_of(id), EG_LIT("")) == EG_OK;
}

bool eg_arm_within(eg_str scope, eg_str id) {
    if (scope.len == 1 && scope.ptr[0] == '/') {
        return id.len > 0;
    }
    return scope.len > 0 && id.len >= scope.len && eg_str_ieq((eg_str){id.ptr, scope.len}, scope) && (id.len == scope.len || id.ptr[scope.len] == '/');
}

eg_str eg_arm_first_segments(eg_str path, size_t n) {
    size_t i = 0;
    for (; i < path.len; i++) {
        if (path.ptr[i] == '/' && i > 0 && --n == 0) {
            break;
        }
    }
    return (eg_str){path.ptr, i};
}

eg_str eg_arm_last_segment(eg_str path) {
    eg_str rest = path, name = path;
    while (rest.ptr) {
        name = eg_str_cut(&rest, '/');
    }
    return name;
}

static void add_subscription(const char *one, const char *ret[EG_ARM_SUBSCRIPTIONS_MAX], size_t *n) {
    for (size_t i = 0; i < *n; i++) {
        if (eg_str_ieq(eg_str_of(ret[i]), eg_str_of(one))) {
            return;
        }
    }
    if (*n < EG_ARM_SUBSCRIPTIONS_MAX) {
        ret[(*n)++] = one;
    }
}

size_t eg_arm_subscriptions(const eg_arm *a, eg_str tenant, const char *ret[EG_ARM_SUBSCRIPTIONS_MAX]) {
    const eg_config *c = a->o.config;
    size_t n = 0;
    for (size_t i = 0; i < c->tenant_count; i++) {
        if (eg_str_ieq(eg_str_of(c->tenants[i].id), tenant)) {
            add_subscription(eg_config_subscription(c, c->tenants[i].id), ret, &n);
        }
    }
    for (size_t i = 0; i < c->cluster_count; i++) {
        if (eg_str_ieq(eg_str_of(c->clusters[i].tenant), tenant)) {
            add_subscription(c->clusters[i].subscription, ret, &n);
        }
    }
    for (size_t i = 0; i < c->account_count; i++) {
        if (eg_str_ieq(eg_str_of(c->accounts[i].tenant), tenant)) {
            add_subscription(c->accounts[i].subscription, ret, &n);
        }
    }
    return n;
}

bool eg_arm_own_scope(const eg_request *rq, eg_str scope) {
    const char *own[EG_ARM_SUBSCRIPTIONS_MAX];
    size_t n = eg_arm_subscriptions(rq->room, rq->tenant, own);
    eg_str rest = scope;
    if (scope.len == 0 || eg_str_cut(&rest, '/').len > 0 || !eg_str_ieq(eg_str_cut(&rest, '/'), EG_LIT("subscriptions"))) {
        return false;
    }
    eg_str subscription = eg_str_cut(&rest, '/');
    for (size_t i = 0; i < n; i++) {
        if (eg_str_ieq(eg_str_of(own[i]), subscription)) {
            return true;
        }
    }
    return false;
}

static int id_order(eg_str a, eg_str b) {
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
        x = (unsigned char)(x >= 'A' && x <= 'Z' ? x + 32 : x);
        y = (unsigned char)(y >= 'A' && y <= 'Z' ? y + 32 : y);
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static int by_id(const void *x, const void *y) {
    return id_order(eg_json_str(*(json_t *const *)x, "id"), eg_json_str(*(json_t *const *)y, "id"));
}

/* The id that the last page ended with; len 0 = from the beginning. */
static eg_err read_token(eg_request *rq, eg_str *ret) {
    eg_str token;
    eg_err e = eg_request_query(rq, "$skipToken", &token);
    *ret = (eg_str){"", 0};
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK;
    }
    char *id = eg_arena_alloc(rq->arena, TOKEN_MAX);
    size_t n = 0;
    if (e != EG_OK || !id || eg_unbase64url(token, (uint8_t *)id, TOKEN_MAX, &n) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The parameter $skipToken is not one that a nextLink had.");
    }
    *ret = (eg_str){id, n};
    return EG_OK;
}

static bool is_token(eg_str name) {
    return eg_str_ieq(name, EG_LIT("$skipToken")) || eg_str_ieq(name, EG_LIT("%24skipToken"));
}

eg_err eg_arm_add_query(const eg_request *rq, eg_buf *to) {
    eg_str rest = rq->query;
    while (rest.ptr && rest.len > 0) {
        eg_str pair = eg_str_cut(&rest, '&'), value = pair, name;
        name = eg_str_cut(&value, '=');
        if (pair.len > 0 && !is_token(name)) {
            EG_TRY(eg_buf_addf(to, "%.*s&", EG_FMT(pair)));
        }
    }
    return EG_OK;
}

static eg_err add_next_link(eg_request *rq, json_t *body, eg_str last) {
    const eg_arm *a = rq->room;
    EG_CLEANUP(eg_buf_done) eg_buf link;
    eg_buf_init(&link, (size_t)16384);
    EG_TRY(eg_buf_addf(&link, "%s%.*s?", a->o.config->public_url, EG_FMT(rq->raw_path)));
    EG_TRY(eg_arm_add_query(rq, &link));
    EG_TRY(eg_buf_adds(&link, "$skipToken="));
    EG_TRY(eg_base64url(eg_str_bytes(last), &link));
    return json_object_set_new(body, "nextLink", json_stringn(link.ptr, link.len)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err fill_page(eg_request *rq, json_t *const *sorted, size_t n, json_t *body) {
    json_t *page = json_object_get(body, "value");
    eg_str after;
    size_t from = 0;
    EG_TRY(read_token(rq, &after));
    while (after.len > 0 && from < n && id_order(eg_json_str(sorted[from], "id"), after) <= 0) {
        from++;
    }
    for (size_t i = from; i < n && i < from + EG_ARM_PAGE; i++) {
        if (json_array_append(page, sorted[i]) != 0) {
            return EG_ERR_NO_MEMORY;
        }
    }
    return n - from > EG_ARM_PAGE ? add_next_link(rq, body, eg_json_str(sorted[from + EG_ARM_PAGE - 1], "id")) : EG_OK;
}

eg_err eg_arm_respond_list(eg_request *rq, json_t *taken) {
    EG_JSON_AUTO all = taken;
    EG_JSON_AUTO body = json_pack("{s:[]}", "value");
    size_t n = json_array_size(all);
    json_t **sorted = calloc(n + 1, sizeof *sorted);
    if (!all || !body || !sorted) {
        free(sorted);
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = json_array_get(all, i);
    }
    qsort(sorted, n, sizeof *sorted, by_id);
    eg_err e = fill_page(rq, sorted, n, body);
    free(sorted);
    return e == EG_OK ? eg_respond_json(rq, 200, json_incref(body)) : e;
}
