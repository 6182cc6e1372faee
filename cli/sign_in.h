/* The parts of signing in: whom to ask, how a client proves itself, what is asked, and where tokens are kept. docs/SIGNING-IN.md. */
#ifndef CLI_SIGN_IN_H
#define CLI_SIGN_IN_H

#include "cli.h"

#define EG_TOKEN_BYTES_MAX 16384
#define EG_FORM_BYTES_MAX 65536
#define EG_PROVIDER_ANSWER_MAX (1u << 20)
#define EG_AUDIENCES 2 /* of eg_cli_audience */

/* provider.c. Whoever issues the tokens, as its discovery document says; the gateway itself when the profile names no authority. */
typedef struct eg_provider {
    bool own;                         /* the gateway's own issuer */
    const char *ca;                   /* borrowed from the profile */
    char issuer[512];                 /* "" for the gateway's own: only the gateway reads its tokens */
    char token[1024];                 /* endpoints: https; "" = there is none */
    char token_by_certificate[1024];  /* the token endpoint for who shows a client certificate, if it is another */
    char authorization[1024];
    char device[1024];
    char revocation[1024];
    bool basic;                       /* takes a secret as HTTP Basic only (RFC 6749 section 2.3.1) */
    bool says_issuer;                 /* RFC 9207: an answer without `iss` is none of its */
} eg_provider;

/* OpenID Connect Discovery 1.0 section 4: by https alone, at most 1 MiB, and the document must name the very issuer that was asked. The
 * gateway's own endpoints are known without asking. EG_ERR_INVALID, EG_ERR_UNAVAILABLE. */
eg_err eg_provider_discover(const eg_profile *profile, eg_provider *ret, eg_problem *p) EG_MUST_CHECK;
/* The part that reads the document. */
eg_err eg_provider_read(eg_str document, const char *issuer, eg_provider *ret, eg_problem *p) EG_MUST_CHECK;
/* What is asked for when a token for `audience` is wanted. */
const char *eg_provider_scope(const eg_profile *profile, eg_cli_audience audience);
/* True when one token is good for both audiences: the provider knows the gateway by one name. */
bool eg_provider_one_token(const eg_profile *profile);

/* client_proof.c. Adds client_id and what proves the client: a secret, an assertion signed with its key, a federated token read anew from its
 * file, a certificate in the handshake, or nothing for a public client. More than one is EG_ERR_INVALID. *ret_authorization holds a header line when Basic is wanted. */
eg_err eg_client_proof_add(const eg_profile *profile, const eg_provider *provider, eg_buf *form, eg_buf *ret_authorization, eg_problem *p) EG_MUST_CHECK;
/* Whether the profile has any. */
bool eg_client_proof_there(const eg_profile *profile);

/* client_assertion.c. RFC 7523: signed with the profile's key by RS256, PS256 or ES256, good for five minutes, at `audience` alone. */
eg_err eg_client_assertion(const eg_profile *profile, const char *audience, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;
/* A file of at most `max` bytes that may be a symbolic link, as mounted secrets are. */
eg_err eg_mounted_file_read(const char *path, size_t max, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;

/* token_grant.c. What a token endpoint says: tokens, or an error of RFC 6749 section 5.2. All buffers are secrets. */
typedef struct eg_token_answer {
    eg_buf access;
    eg_buf refresh;                   /* len 0 = none */
    eg_buf id;                        /* the ID token; len 0 = none */
    int64_t expires_in_s;
    char error[64];                   /* "" = granted */
    char description[256];
} eg_token_answer;
void eg_token_answer_done(eg_token_answer *a); /* cleanses */
/* Adds the client's proof to the form, posts it, and cleanses it. EG_OK with ret->error for a refusal. */
eg_err eg_token_ask(const eg_profile *profile, const eg_provider *provider, const char *url, eg_buf *form, eg_token_answer *ret, eg_problem *p) EG_MUST_CHECK;
/* The part that reads an answer. */
eg_err eg_token_answer_read(long status, eg_str body, eg_token_answer *ret, eg_problem *p) EG_MUST_CHECK;
/* "&name=value", percent-encoded; without '&' when it is the first. "" adds nothing. */
eg_err eg_form_add(eg_buf *form, const char *name, const char *value);
/* A refusal as a problem: what the provider said, and what to do. */
eg_err eg_token_refused(const eg_token_answer *a, const char *what, eg_problem *p);

/* session.c. What one sign-in has given, in a file that nobody else may read; one for each profile, authority and client. */
typedef struct eg_session {
    eg_buf refresh;
    struct {
        eg_buf token;
        int64_t expires_s;            /* since 1970 */
    } access[EG_AUDIENCES];
    char name[128];                   /* whom the provider named, for people */
} eg_session;
void eg_session_done(eg_session *s);  /* cleanses */

typedef struct eg_session_place {
    int dir;                          /* -1 = there is no folder of sessions */
    int lock;
    char file[64];
} eg_session_place;
/* The place of the profile's session, locked against other processes until it is left. make: the folder is made. Without it, a folder that isn't
 * there is EG_ERR_NOT_FOUND. A folder or file that others own, or may read, is refused (EG_ERR_INVALID). Waits at most a minute (EG_ERR_LOCKED). */
eg_err eg_session_enter(const eg_profile *profile, bool make, eg_session_place *ret, eg_problem *p) EG_MUST_CHECK;
void eg_session_leave(eg_session_place *at);
/* EG_ERR_NOT_FOUND: not signed in. */
eg_err eg_session_load(const eg_session_place *at, eg_session *ret, eg_problem *p) EG_MUST_CHECK;
/* Whole or not at all, whatever signal comes. */
eg_err eg_session_save(const eg_session_place *at, const eg_session *s, eg_problem *p) EG_MUST_CHECK;
eg_err eg_session_remove(const eg_session_place *at, eg_problem *p) EG_MUST_CHECK;
/* Takes over what an answer gives for an audience; a new refresh token replaces the old one (RFC 6749 section 6). */
eg_err eg_session_take(eg_session *s, const eg_profile *profile, eg_cli_audience audience, const eg_token_answer *a, eg_problem *p) EG_MUST_CHECK;

/* Ways of signing in, a file each: they ask until there is an answer that grants, or fail. */
eg_err eg_sign_in_client(const eg_profile *profile, const eg_provider *provider, eg_cli_audience audience, eg_token_answer *ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_sign_in_device(const eg_profile *profile, const eg_provider *provider, eg_token_answer *ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_sign_in_browser(const eg_profile *profile, const eg_provider *provider, eg_token_answer *ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_sign_in_refresh(const eg_profile *profile, const eg_provider *provider, eg_cli_audience audience, const eg_session *s, eg_token_answer *ret,
                          eg_problem *p) EG_MUST_CHECK;
/* Which of them the profile means. */
typedef enum eg_sign_in_way { EG_SIGN_IN_NONE = 0, EG_SIGN_IN_CLIENT, EG_SIGN_IN_DEVICE, EG_SIGN_IN_BROWSER } eg_sign_in_way;
eg_err eg_sign_in_way_of(const eg_profile *profile, eg_sign_in_way *ret, eg_problem *p) EG_MUST_CHECK;

/* pkce.c. 256 random bits as base64url, with NUL: for state, nonce and verifiers. */
#define EG_RANDOM_TEXT_LEN 44
eg_err eg_random_text(char ret[EG_RANDOM_TEXT_LEN]) EG_MUST_CHECK;
/* RFC 7636 section 4.2, S256. */
eg_err eg_pkce_challenge(const char *verifier, char ret[EG_RANDOM_TEXT_LEN]) EG_MUST_CHECK;

/* id_token.c. An ID token that came straight from the token endpoint (OpenID Connect Core 1.0 section 3.1.3.7: TLS stands for its signature): issuer,
 * audience, time and nonce are checked. ret_name is for people; "" when it names nobody. */
typedef struct eg_id_token_expected {
    const char *issuer;
    const char *client_id;
    const char *nonce;                /* NULL = none was sent */
    int64_t now_s;
} eg_id_token_expected;
eg_err eg_id_token_check(eg_str token, const eg_id_token_expected *expected, char ret_name[128], eg_problem *p) EG_MUST_CHECK;

/* loopback.c. The one request that a browser brings the answer in (RFC 8252 section 7.3). */
typedef struct eg_loopback {
    int fd;
    unsigned port;
} eg_loopback;
typedef struct eg_loopback_answer {
    char code[4096];                  /* secret; "" with an error */
    char error[64];
    char description[256];
} eg_loopback_answer;
eg_err eg_loopback_open(eg_loopback *ret, eg_problem *p) EG_MUST_CHECK;
void eg_loopback_close(eg_loopback *l);
/* What must be in the answer. */
typedef struct eg_loopback_expected {
    const char *state;
    const char *issuer;
    bool issuer_owed;                 /* RFC 9207 */
} eg_loopback_expected;
/* Waits for it, at most `seconds`; what is not the answer gets 404 or 400 and changes nothing. */
eg_err eg_loopback_wait(eg_loopback *l, const eg_loopback_expected *expected, unsigned seconds, eg_loopback_answer *ret, eg_problem *p) EG_MUST_CHECK;
/* EG_ERR_NOT_FOUND: a request for something else; EG_ERR_INVALID: an answer that is not to be believed. */
eg_err eg_loopback_read(eg_str request, unsigned port, const eg_loopback_expected *expected, eg_loopback_answer *ret) EG_MUST_CHECK;

#endif
