/* Signs in by a browser on this machine: authorization code with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 8252). */
#include "sign_in.h"

#include <embergate/secret.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_SECONDS 300u

typedef struct attempt {
    eg_loopback loopback;
    char redirect[64];
    char state[EG_RANDOM_TEXT_LEN], nonce[EG_RANDOM_TEXT_LEN], challenge[EG_RANDOM_TEXT_LEN];
    char verifier[EG_RANDOM_TEXT_LEN];       /* secret: never leaves this process but to the token endpoint */
} attempt;

static void attempt_done(attempt *a) {
    eg_loopback_close(&a->loopback);
    eg_cleanse(a, sizeof *a);
}

static eg_err begin(attempt *a, eg_problem *p) {
    EG_TRY(eg_loopback_open(&a->loopback, p));
    (void)snprintf(a->redirect, sizeof a->redirect, "http://127.0.0.1:%u/callback", a->loopback.port);
    EG_TRY(eg_random_text(a->state));
    EG_TRY(eg_random_text(a->nonce));
    EG_TRY(eg_random_text(a->verifier));
    return eg_pkce_challenge(a->verifier, a->challenge);
}

static eg_err write_url(const eg_profile *profile, const eg_provider *provider, const attempt *a, eg_buf *ret) {
    const struct {
        const char *name, *value;
    } fields[] = {
        {"response_type", "code"},
        {"client_id", profile->client_id},
        {"redirect_uri", a->redirect},
        {"scope", eg_provider_scope(profile, EG_CLI_GATEWAY)},
        {"resource", profile->resource},
        {"state", a->state},
        {"nonce", a->nonce},
        {"code_challenge", a->challenge},
        {"code_challenge_method", "S256"},
    };
    EG_CLEANUP(eg_buf_done) eg_buf query;
    eg_buf_init(&query, 8192);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        EG_TRY(eg_form_add(&query, fields[i].name, fields[i].value));
    }
    return eg_buf_addf(ret, "%s%c%s", provider->authorization, strchr(provider->authorization, '?') ? '&' : '?', query.ptr);
}

/* $BROWSER, or the desktop's own where there is a desktop. */
static const char *browser(void) {
    const char *named = getenv("BROWSER"), *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    if (named) {
        return named[0] ? named : NULL;
    }
    return (x && *x) || (wayland && *wayland) ? "xdg-open" : NULL;
}

/* In a grandchild, so that neither its end nor its output is ours. Nothing secret is in the address: the verifier stays here. */
static void open_browser(const char *url) {
    const char *program = browser();
    if (!program) {
        return;
    }
    pid_t child = fork();
    if (child != 0) {
        if (child > 0) {
            (void)waitpid(child, NULL, 0);
        }
        return;
    }
    if (fork() == 0) {
        int nowhere = open("/dev/null", O_RDWR);
        for (int fd = 0; nowhere >= 0 && fd < 3; fd++) {
            (void)dup2(nowhere, fd);
        }
        (void)setsid();
        (void)execlp(program, program, url, (char *)NULL);
    }
    _exit(0);
}

static eg_err exchange(const eg_profile *profile, const eg_provider *provider, const attempt *a, const char *code, eg_token_answer *ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf form;
    eg_buf_init(&form, EG_FORM_BYTES_MAX);
    EG_TRY(eg_form_add(&form, "grant_type", "authorization_code"));
    EG_TRY(eg_form_add(&form, "code", code));
    EG_TRY(eg_form_add(&form, "redirect_uri", a->redirect));
    EG_TRY(eg_form_add(&form, "code_verifier", a->verifier));
    EG_TRY(eg_form_add(&form, "resource", profile->resource));
    EG_CLEANUP(eg_token_answer_done) eg_token_answer got = {.expires_in_s = 0};
    EG_TRY(eg_token_ask(profile, provider, provider->token, &form, &got, p));
    if (got.error[0] != '\0') {
        return eg_token_refused(&got, "the sign-in by browser", p);
    }
    if (got.id.len > 0) {
        char name[128] = "";
        const eg_id_token_expected expected = {provider->issuer, profile->client_id, a->nonce, (int64_t)time(NULL)};
        EG_TRY(eg_id_token_check(eg_buf_str(&got.id), &expected, name, p));
    }
    *ret = got;
    got = (eg_token_answer){.expires_in_s = 0};
    return EG_OK;
}

eg_err eg_sign_in_browser(const eg_profile *profile, const eg_provider *provider, eg_token_answer *ret, eg_problem *p) {
    EG_CLEANUP(attempt_done) attempt a = {.loopback = {.fd = -1}};
    EG_CLEANUP(eg_buf_done) eg_buf url;
    eg_buf_init(&url, 16384);
    if (provider->authorization[0] == '\0') {
        (void)eg_fail(p, EG_ERR_NOT_BUILT, "the issuer has no sign-in by browser");
        return eg_fail_hint(p, "name another authority, or sign in by client credentials");
    }
    EG_TRY(begin(&a, p));
    EG_TRY(write_url(profile, provider, &a, &url));
    fputs("To sign in, open this address in a browser on this machine:\n  ", stderr);
    eg_cli_put_inert(stderr, eg_buf_str(&url));
    fputs("\nWaiting, at most 5 minutes …\n", stderr);
    open_browser(url.ptr);
    eg_loopback_answer got = {.code = ""};
    const eg_loopback_expected expected = {a.state, provider->issuer, provider->says_issuer};
    EG_TRY(eg_loopback_wait(&a.loopback, &expected, WAIT_SECONDS, &got, p));
    if (got.error[0] != '\0') {
        eg_token_answer refusal = {.expires_in_s = 0};
        (void)snprintf(refusal.error, sizeof refusal.error, "%s", got.error);
        (void)snprintf(refusal.description, sizeof refusal.description, "%s", got.description);
        return eg_token_refused(&refusal, "the sign-in by browser", p);
    }
    eg_err e = exchange(profile, provider, &a, got.code, ret, p);
    eg_cleanse(&got, sizeof got);
    return e;
}
