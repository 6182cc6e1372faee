/* `embergate login` and `embergate logout`: begin and end a session. */
#include "sign_in.h"

#include <embergate/secret.h>
#include <getopt.h>
#include <time.h>
#include <unistd.h>

/* Options that are fields of the profile: what is given is used, and written into the profile once the sign-in has worked. */
static const char *const field_options[] = {
    "endpoint", "tenant", "ca", "cluster", "account", "container", "authority", "authority-ca", "client-id", "scope", "storage-scope", "resource",
    "client-secret-file", "client-key", "client-certificate", "client-algorithm", "federated-token-file", "client-proof",
};
#define FIELD_OPTIONS (sizeof field_options / sizeof field_options[0])
static const char *const ways[] = {"device", "browser", "client"};
#define WAYS (sizeof ways / sizeof ways[0])
#define FIRST_WAY 100
#define FIRST_FIELD 200

typedef struct login {
    const char *values[FIELD_OPTIONS]; /* NULL = not given */
    const char *way;
    bool secret_from_stdin;
    eg_profile profile;
} login;

static bool take_options(login *o, int argc, char **argv) {
    struct option longs[FIELD_OPTIONS + WAYS + 3] = {{"profile", required_argument, NULL, 'P'}, {"secret-stdin", no_argument, NULL, 'S'}};
    size_t n = 2;
    for (size_t i = 0; i < WAYS; i++) {
        longs[n++] = (struct option){ways[i], no_argument, NULL, (int)(FIRST_WAY + i)};
    }
    for (size_t i = 0; i < FIELD_OPTIONS; i++) {
        longs[n++] = (struct option){field_options[i], required_argument, NULL, (int)(FIRST_FIELD + i)};
    }
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'P') {
            eg_cli_use_profile(optarg);
        } else if (c == 'S') {
            o->secret_from_stdin = true;
        } else if (c >= FIRST_FIELD) {
            o->values[c - FIRST_FIELD] = optarg;
        } else if (c >= FIRST_WAY && c < FIRST_WAY + (int)WAYS && !o->way) {
            o->way = ways[c - FIRST_WAY];
        } else {
            return false;
        }
    }
    return optind == argc;
}

static void field_name(const char *option, char ret[32]) {
    size_t i = 0;
    for (; i < 31 && option[i]; i++) {
        ret[i] = option[i] == '-' ? '_' : option[i];
    }
    ret[i] = '\0';
}

static eg_err apply_options(login *o, eg_problem *p) {
    for (size_t i = 0; i < FIELD_OPTIONS; i++) {
        char name[32];
        field_name(field_options[i], name);
        if (o->values[i]) {
            EG_TRY(eg_profile_set(&o->profile, name, o->values[i], p));
        }
    }
    return o->way ? eg_profile_set(&o->profile, "login", o->way, p) : EG_OK;
}

static eg_err save_options(const login *o, eg_problem *p) {
    char names[FIELD_OPTIONS][32];
    const char *given[FIELD_OPTIONS + 2] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < FIELD_OPTIONS; i++) {
        field_name(field_options[i], names[i]);
        if (o->values[i]) {
            given[n++] = names[i];
        }
    }
    if (o->way) {
        given[n++] = "login";
    }
    return n > 0 ? eg_profile_save(&o->profile, given, p) : EG_OK;
}

/* One line, by a pipe or from a file: on a terminal it would be seen, and stay in its scrollback. */
static eg_err read_secret(eg_profile *profile, eg_problem *p) {
    char line[sizeof profile->client_secret];
    if (isatty(STDIN_FILENO)) {
        return eg_fail(p, EG_ERR_INVALID, "the secret is to come by a pipe or from a file: embergate login --secret-stdin < FILE");
    }
    if (!fgets(line, sizeof line, stdin)) {
        return eg_fail(p, EG_ERR_INVALID, "no secret came on standard input");
    }
    size_t n = strcspn(line, "\r\n");
    bool whole = line[n] != '\0' || feof(stdin);
    line[n] = '\0';
    eg_err e = whole ? eg_profile_set(profile, "client_secret", line, p) : eg_fail(p, EG_ERR_LIMIT, "the secret is too long");
    eg_cleanse(line, sizeof line);
    return e;
}

static eg_err ask(const login *o, eg_token_answer *ret, char ret_name[128], eg_problem *p) {
    eg_provider provider;
    eg_sign_in_way way = EG_SIGN_IN_NONE;
    EG_TRY(eg_sign_in_way_of(&o->profile, &way, p));
    EG_TRY(eg_provider_discover(&o->profile, &provider, p));
    EG_TRY(way == EG_SIGN_IN_DEVICE    ? eg_sign_in_device(&o->profile, &provider, ret, p)
           : way == EG_SIGN_IN_BROWSER ? eg_sign_in_browser(&o->profile, &provider, ret, p)
                                       : eg_sign_in_client(&o->profile, &provider, EG_CLI_GATEWAY, ret, p));
    if (ret->id.len > 0 && !provider.own) {
        const eg_id_token_expected expected = {provider.issuer, o->profile.client_id, NULL, (int64_t)time(NULL)};
        EG_TRY(eg_id_token_check(eg_buf_str(&ret->id), &expected, ret_name, p));
    }
    return EG_OK;
}

static eg_err sign_in(login *o, eg_problem *p) {
    EG_CLEANUP(eg_token_answer_done) eg_token_answer a = {.expires_in_s = 0};
    EG_CLEANUP(eg_session_done) eg_session s = {.name = ""};
    EG_CLEANUP(eg_session_leave) eg_session_place at = {.dir = -1, .lock = -1};
    EG_TRY(eg_profile_load_any(eg_cli_profile_path(), &o->profile, p));
    EG_TRY(apply_options(o, p));
    EG_TRY(eg_profile_check(&o->profile, p));
    EG_TRY(o->secret_from_stdin ? read_secret(&o->profile, p) : EG_OK);
    EG_TRY(ask(o, &a, s.name, p));
    EG_TRY(save_options(o, p));
    EG_TRY(eg_session_enter(&o->profile, true, &at, p));
    EG_TRY(eg_session_take(&s, &o->profile, EG_CLI_GATEWAY, &a, p));
    EG_TRY(eg_session_save(&at, &s, p));
    fputs("signed in", stderr);
    if (s.name[0] != '\0') {
        fputs(" as ", stderr);
        eg_cli_put_inert(stderr, eg_str_of(s.name));
    }
    fprintf(stderr, ", %s\n", s.refresh.len > 0 ? "until you sign out or the provider ends it" : "until the token is over");
    return EG_OK;
}

int eg_cli_login(int argc, char **argv) {
    login o = {.way = NULL};
    if (!take_options(&o, argc, argv)) {
        return eg_cli_usage("login", "an option is unknown, or two ways of signing in are named");
    }
    eg_problem p = {0};
    eg_err e = sign_in(&o, &p);
    eg_profile_done(&o.profile);
    return e == EG_OK ? EG_EXIT_OK : eg_cli_complain(&p);
}

/* RFC 7009. What the provider isn't told it ends by itself; the file goes in any case. */
static bool tell_provider(const eg_profile *profile, const eg_session *s) {
    eg_problem unused = {0};
    eg_provider provider;
    EG_CLEANUP(eg_buf_done) eg_buf form, body = {0}, authorization = {0};
    long status = 0;
    eg_buf_init(&form, EG_FORM_BYTES_MAX);
    if (eg_provider_discover(profile, &provider, &unused) != EG_OK || provider.revocation[0] == '\0' ||
        eg_form_add(&form, "token", s->refresh.ptr) != EG_OK || eg_form_add(&form, "token_type_hint", "refresh_token") != EG_OK ||
        eg_client_proof_add(profile, &provider, &form, &authorization, &unused) != EG_OK) {
        return false;
    }
    const char *const headers[] = {authorization.ptr, NULL};
    eg_cli_call call = {.method = "POST", .url = provider.revocation, .ca = provider.ca, .content_type = "application/x-www-form-urlencoded",
                        .body = eg_buf_bytes(&form), .headers = headers, .provider = !provider.own, .client = profile};
    eg_err e = eg_cli_exchange(&call, &status, &body, &unused);
    eg_cleanse(form.ptr, form.cap);
    return e == EG_OK && status == 200;
}

static eg_err sign_out(eg_problem *p) {
    EG_CLEANUP(eg_profile_done) eg_profile profile = {.path = ""};
    EG_CLEANUP(eg_session_leave) eg_session_place at = {.dir = -1, .lock = -1};
    EG_CLEANUP(eg_session_done) eg_session s = {.name = ""};
    eg_problem unread = {0};
    EG_TRY(eg_profile_load_any(eg_cli_profile_path(), &profile, p));
    eg_err e = eg_session_enter(&profile, false, &at, p);
    if (e == EG_ERR_NOT_FOUND) {
        fputs("nobody was signed in\n", stderr);
        return EG_OK;
    }
    EG_TRY(e);
    bool read = eg_session_load(&at, &s, &unread) == EG_OK;
    EG_TRY(eg_session_remove(&at, p));
    bool told = read && s.refresh.len > 0 && tell_provider(&profile, &s);
    fprintf(stderr, "signed out%s\n", told ? "" : read && s.refresh.len > 0 ? "; the provider was not told, its refresh token ends by itself" : "");
    return EG_OK;
}

int eg_cli_logout(int argc, char **argv) {
    static const struct option longs[] = {{"profile", required_argument, NULL, 'P'}, {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c != 'P') {
            return eg_cli_usage("logout", "an option is unknown");
        }
        eg_cli_use_profile(optarg);
    }
    eg_problem p = {0};
    return sign_out(&p) == EG_OK ? EG_EXIT_OK : eg_cli_complain(&p);
}
