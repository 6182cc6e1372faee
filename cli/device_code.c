/* Signs in by a code that a person enters on another device (RFC 8628). */
#include "sign_in.h"

#include <embergate/secret.h>
#include <time.h>

#define INTERVAL_S 5               /* RFC 8628 section 3.2, when none is said */
#define INTERVAL_MAX_S 60
#define EXPIRES_MAX_S 1800
#define GRANT "urn:ietf:params:oauth:grant-type:device_code"

typedef struct device {
    char code[2048];               /* secret */
    char user_code[64];
    char uri[1024];
    char complete[1024];           /* "" = none */
    char verifier[EG_RANDOM_TEXT_LEN]; /* secret */
    int64_t until_s;               /* monotonic */
    int64_t interval_s;
} device;

static void device_done(device *d) {
    eg_cleanse(d, sizeof *d);
}

static int64_t mono_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static bool take(const json_t *v, const char *name, char *to, size_t size) {
    eg_str s = eg_json_str(v, name);
    (void)snprintf(to, size, "%.*s", EG_FMT(s));
    return s.len > 0 && s.len < size;
}

static eg_err read_device(const json_t *v, device *ret, eg_problem *p) {
    int64_t expires = 0;
    /* Google, and Entra's version 1, say verification_url. */
    bool there = take(v, "device_code", ret->code, sizeof ret->code) && take(v, "user_code", ret->user_code, sizeof ret->user_code) &&
                 (take(v, "verification_uri", ret->uri, sizeof ret->uri) || take(v, "verification_url", ret->uri, sizeof ret->uri));
    if (!there || !eg_str_starts(eg_str_of(ret->uri), "https://")) {
        return eg_fail(p, EG_ERR_UNAVAILABLE, "the provider's answer has no code, or no https address to enter it at");
    }
    if (!take(v, "verification_uri_complete", ret->complete, sizeof ret->complete) || !eg_str_starts(eg_str_of(ret->complete), "https://")) {
        ret->complete[0] = '\0';
    }
    EG_TRY(eg_json_get_int(v, "expires_in", EXPIRES_MAX_S, 1, INT64_MAX, &expires, p));
    EG_TRY(eg_json_get_int(v, "interval", INTERVAL_S, 0, INT64_MAX, &ret->interval_s, p));
    ret->until_s = mono_s() + (expires < EXPIRES_MAX_S ? expires : EXPIRES_MAX_S);
    ret->interval_s = ret->interval_s < 1 ? 1 : ret->interval_s < INTERVAL_MAX_S ? ret->interval_s : INTERVAL_MAX_S;
    return EG_OK;
}

static eg_err refused(long status, const json_t *v, eg_problem *p) {
    eg_token_answer a = {.expires_in_s = 0};
    eg_str error = eg_json_str(v, "error"), said = eg_json_str(v, "error_description");
    if (error.len == 0) {
        return eg_fail(p, EG_ERR_UNAVAILABLE, "the device authorization endpoint answered %ld", status);
    }
    (void)snprintf(a.error, sizeof a.error, "%.*s", EG_FMT(error));
    (void)snprintf(a.description, sizeof a.description, "%.*s", EG_FMT(said));
    return eg_token_refused(&a, "the sign-in by device code", p);
}

/* Section 3.1. A confidential client proves itself here too. PKCE isn't asked for here by any RFC, but Keycloak insists on it for clients that must use it;
 * others ignore it (RFC 6749 section 3.1). */
static eg_err begin(const eg_profile *profile, const eg_provider *provider, device *ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf form, body = {0}, authorization = {0};
    char challenge[EG_RANDOM_TEXT_LEN];
    eg_buf_init(&form, EG_FORM_BYTES_MAX);
    EG_TRY(eg_random_text(ret->verifier));
    EG_TRY(eg_pkce_challenge(ret->verifier, challenge));
    EG_TRY(eg_form_add(&form, "code_challenge", challenge));
    EG_TRY(eg_form_add(&form, "code_challenge_method", "S256"));
    EG_TRY(eg_form_add(&form, "scope", eg_provider_scope(profile, EG_CLI_GATEWAY)));
    EG_TRY(eg_form_add(&form, "resource", profile->resource));
    EG_TRY(eg_client_proof_add(profile, provider, &form, &authorization, p));
    const char *const headers[] = {"Accept: application/json", authorization.ptr, NULL};
    eg_cli_call call = {.method = "POST", .url = provider->device, .ca = provider->ca, .content_type = "application/x-www-form-urlencoded",
                        .body = eg_buf_bytes(&form), .headers = headers, .provider = !provider->own, .client = profile};
    long status = 0;
    eg_err e = eg_cli_exchange(&call, &status, &body, p);
    eg_cleanse(form.ptr, form.cap);
    if (authorization.ptr) {
        eg_cleanse(authorization.ptr, authorization.cap);
    }
    EG_TRY(e);
    EG_JSON_AUTO v = NULL;
    if (eg_json_parse(eg_buf_str(&body), EG_PROVIDER_ANSWER_MAX, &v, NULL) != EG_OK || status != 200) {
        return refused(status, v, p);
    }
    e = read_device(v, ret, p);
    eg_cleanse(body.ptr, body.cap);
    return e;
}

static void tell(const device *d) {
    fputs("To sign in, open\n  ", stderr);
    eg_cli_put_inert(stderr, eg_str_of(d->uri));
    fputs("\nin a browser, on any machine, and enter the code\n  ", stderr);
    eg_cli_put_inert(stderr, eg_str_of(d->user_code));
    if (d->complete[0] != '\0') {
        fputs("\nor open\n  ", stderr);
        eg_cli_put_inert(stderr, eg_str_of(d->complete));
    }
    fprintf(stderr, "\nEnter it only if you began this sign-in yourself. Waiting, at most %lld minutes …\n", (long long)((d->until_s - mono_s() + 59) / 60));
}

static eg_err poll_once(const eg_profile *profile, const eg_provider *provider, const device *d, eg_token_answer *ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf form;
    eg_buf_init(&form, EG_FORM_BYTES_MAX);
    EG_TRY(eg_form_add(&form, "grant_type", GRANT));
    EG_TRY(eg_form_add(&form, "device_code", d->code));
    EG_TRY(eg_form_add(&form, "code_verifier", d->verifier));
    EG_TRY(eg_form_add(&form, "resource", profile->resource));
    return eg_token_ask(profile, provider, provider->token, &form, ret, p);
}

/* Section 3.5: slow_down adds five seconds for good; a provider that can't be reached is asked half as often each time. */
static eg_err wait_for_tokens(const eg_profile *profile, const eg_provider *provider, device *d, eg_token_answer *ret, eg_problem *p) {
    while (mono_s() + d->interval_s < d->until_s) {
        struct timespec left = {.tv_sec = (time_t)d->interval_s};
        (void)nanosleep(&left, NULL);
        EG_CLEANUP(eg_token_answer_done) eg_token_answer a = {.expires_in_s = 0};
        eg_err e = poll_once(profile, provider, d, &a, p);
        if (e == EG_ERR_UNAVAILABLE) {
            d->interval_s = 2 * d->interval_s < INTERVAL_MAX_S ? 2 * d->interval_s : INTERVAL_MAX_S;
            continue;
        }
        EG_TRY(e);
        if (a.error[0] == '\0') {
            *ret = a;
            a = (eg_token_answer){.expires_in_s = 0};
            return EG_OK;
        }
        if (strcmp(a.error, "slow_down") == 0) {
            d->interval_s += 5;
        } else if (strcmp(a.error, "authorization_pending") != 0) {
            return eg_token_refused(&a, "the sign-in by device code", p);
        }
    }
    (void)eg_fail(p, EG_ERR_TIMEOUT, "the code was not entered in time");
    return eg_fail_hint(p, "embergate login gives another one");
}

eg_err eg_sign_in_device(const eg_profile *profile, const eg_provider *provider, eg_token_answer *ret, eg_problem *p) {
    EG_CLEANUP(device_done) device d = {.code = ""};
    if (provider->device[0] == '\0') {
        (void)eg_fail(p, EG_ERR_NOT_BUILT, "the issuer has no sign-in by device code");
        return eg_fail_hint(p, "name another authority, or sign in by client credentials");
    }
    EG_TRY(begin(profile, provider, &d, p));
    tell(&d);
    return wait_for_tokens(profile, provider, &d, ret, p);
}
