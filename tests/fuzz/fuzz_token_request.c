/* Fuzzes eg_token_request_read and eg_jws_parse_assertion: what anybody may send to the token endpoint. A request that is accepted names a field once, proves the client
 * in one way at most, and points into what was sent or into its arena. The first line of the input is the Authorization header, the second Content-Type, the rest the form.
 *
 *   ./dev fuzz token_request */
#include "identity/jws.h"
#include "identity/token_request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void check_assertion(eg_str text) {
    eg_jws j = {0};
    eg_problem p = {0};
    if (eg_jws_parse_assertion(text, &j, &p) == EG_OK) {
        require(text.len <= EG_JWS_MAX && j.alg != EG_JWS_ALG_NONE && j.signature_len > 0);
        require(j.signed_part.ptr == text.ptr && j.signed_part.len < text.len);
    }
    eg_jws_done(&j);
}

/* A decoded field is text without NUL, so that whoever takes it for a C string takes all of it. */
static void check_field(eg_str s) {
    require(s.ptr == NULL || memchr(s.ptr, '\0', s.len) == NULL);
}

static void check(const eg_token_request *t) {
    const eg_str all[] = {t->grant_type, t->client_id, t->client_secret, t->client_assertion, t->client_assertion_type, t->scope, t->resource};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        check_field(all[i]);
    }
    require(!t->client_secret.ptr || !t->client_assertion.ptr);
    for (size_t i = 0; i < t->client_id.len; i++) {
        require(t->client_id.ptr[i] < 'A' || t->client_id.ptr[i] > 'Z');
    }
    if (t->client_assertion.ptr) {
        check_assertion(t->client_assertion);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    eg_str rest = {(const char *)data, size};
    eg_arena *arena = eg_arena_new((size_t)256 << 10);
    eg_request *rq = calloc(1, sizeof *rq);
    require(rq && arena);
    rq->arena = arena;
    rq->method = EG_LIT("POST");
    rq->authorization = eg_str_cut(&rest, '\n');
    const eg_header type = {EG_LIT("Content-Type"), rest.ptr ? eg_str_cut(&rest, '\n') : EG_LIT("")};
    rq->headers = &type;
    rq->header_count = 1;
    if (rest.ptr) {
        rq->body = (eg_bytes){(const uint8_t *)rest.ptr, rest.len};
    }
    eg_token_request t;
    if (eg_token_request_read(rq, &t) == EG_OK) {
        check(&t);
    } else {
        require(rq->problem.code == EG_ERR_OAUTH_REQUEST);
    }
    free(rq);
    eg_arena_free(arena);
    return 0;
}
