/* Reads a token request: form fields each once (RFC 6749 section 3.2), client credentials in body or header. */
#include "token_request.h"

#include <embergate/encoding.h>

#include <stddef.h>

#define FIELDS_MAX 32
#define BASIC_MAX ((size_t)1024)

static const struct {
    const char *name;
    size_t at;
} fields[] = {
    {"grant_type", offsetof(eg_token_request, grant_type)},
    {"client_id", offsetof(eg_token_request, client_id)},
    {"client_secret", offsetof(eg_token_request, client_secret)},
    {"client_assertion", offsetof(eg_token_request, client_assertion)},
    {"client_assertion_type", offsetof(eg_token_request, client_assertion_type)},
    {"scope", offsetof(eg_token_request, scope)},
    {"resource", offsetof(eg_token_request, resource)},
    {"audience", offsetof(eg_token_request, audience)},
    {"subject_token", offsetof(eg_token_request, subject_token)},
    {"subject_token_type", offsetof(eg_token_request, subject_token_type)},
    {"actor_token", offsetof(eg_token_request, actor_token)},
    {"actor_token_type", offsetof(eg_token_request, actor_token_type)},
    {"requested_token_type", offsetof(eg_token_request, requested_token_type)},
    {"assertion", offsetof(eg_token_request, assertion)},
    {"requested_token_use", offsetof(eg_token_request, requested_token_use)},
};

static eg_err decode(eg_request *rq, eg_str raw, eg_str *ret) {
    if (!raw.ptr || eg_percent_decode(rq->arena, raw, true, ret) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_OAUTH_REQUEST, "The form of the request is malformed.");
    }
    return EG_OK;
}

static eg_err read_field(eg_request *rq, eg_str pair, eg_token_request *t) {
    eg_str raw_value = pair;
    eg_str raw_name = eg_str_cut(&raw_value, '=');
    eg_str name;
    EG_TRY(decode(rq, raw_name, &name));
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (!eg_str_is(name, fields[i].name)) {
            continue;
        }
        eg_str *to = (eg_str *)((char *)t + fields[i].at);
        if (to->ptr) {
            return eg_fail(&rq->problem, EG_ERR_OAUTH_REQUEST, "The field \"%s\" stands twice.", fields[i].name);
        }
        return decode(rq, raw_value.ptr ? raw_value : EG_LIT(""), to);
    }
    return EG_OK; /* RFC 6749 section 3.2: unknown parameters are ignored */
}

static eg_err read_form(eg_request *rq, eg_token_request *t) {
    eg_str type = eg_request_header(rq, "Content-Type");
    if (type.len > 0) {
        eg_str media = eg_str_cut(&type, ';');
        while (media.len > 0 && media.ptr[media.len - 1] == ' ') {
            media.len--;
        }
        if (!eg_str_ieq(media, EG_LIT("application/x-www-form-urlencoded"))) {
            return eg_fail(&rq->problem, EG_ERR_OAUTH_REQUEST, "The body must be application/x-www-form-urlencoded.");
        }
    }
    eg_str rest = eg_bytes_str(rq->body);
    for (size_t n = 0; rest.ptr && rest.len > 0; n++) {
        if (n == FIELDS_MAX) {
            return eg_fail(&rq->problem, EG_ERR_OAUTH_REQUEST, "The form has more than %d fields.", FIELDS_MAX);
        }
        EG_TRY(read_field(rq, eg_str_cut(&rest, '&'), t));
    }
    return EG_OK;
}

static eg_err bad_basic(eg_request *rq) {
    return eg_fail(&rq->problem, EG_ERR_OAUTH_REQUEST, "The Basic credentials are malformed.");
}

/* RFC 6749 section 2.3.1. Exception to "only authenticate reads it": these are a client's credentials, not a token. */
static eg_err read_basic(eg_request *rq, eg_token_request *t) {
    eg_str value = rq->authorization;
    eg_str scheme = eg_str_cut(&value, ' ');
    if (!value.ptr || !eg_str_ieq(scheme, EG_LIT("Basic"))) {
        return EG_OK;
    }
    char *text = eg_arena_alloc(rq->arena, BASIC_MAX);
    size_t n = 0;
    if (!text) {
        return EG_ERR_LIMIT;
    }
    if (eg_unbase64(value, (uint8_t *)text, BASIC_MAX, &n) != EG_OK) {
        return bad_basic(rq);
    }
    eg_str secret = {text, n};
    eg_str id = eg_str_cut(&secret, ':');
    eg_str client_id;
    if (!secret.ptr) {
        return bad_basic(rq);
    }
    EG_TRY(decode(rq, id, &client_id));
    if (t->client_secret.ptr || t->client_assertion.ptr || (t->client_id.ptr && !eg_str_eq(t->client_id, client_id))) {
        return eg_fail(&rq->problem, EG_ERR_OAUTH_REQUEST, "The client is named or proven in two ways.");
    }
    t->client_id = client_id;
    return decode(rq, secret, &t->client_secret);
}

static eg_err lower_client_id(eg_request *rq, eg_token_request *t) {
    char *copy = eg_arena_alloc(rq->arena, t->client_id.len + 1);
    if (!copy) {
        return EG_ERR_LIMIT;
    }
    for (size_t i = 0; i < t->client_id.len; i++) {
        char c = t->client_id.ptr[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    t->client_id.ptr = copy;
    return EG_OK;
}

eg_err eg_token_request_read(eg_request *rq, eg_token_request *ret) {
    eg_token_request t = {0};
    EG_TRY(read_form(rq, &t));
    EG_TRY(read_basic(rq, &t));
    EG_TRY(lower_client_id(rq, &t));
    if (t.client_secret.ptr && t.client_assertion.ptr) {
        return eg_fail(&rq->problem, EG_ERR_OAUTH_REQUEST, "The client is proven in two ways.");
    }
    *ret = t;
    return EG_OK;
}
