/* What the commands for people share: how they complain, which gateway they speak to, and how they ask it. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <embergate/cli.h>
#include <embergate/json.h>
#include <stdio.h>

/* Exit statuses. */
enum { EG_EXIT_OK = 0, EG_EXIT_FAILED = 1, EG_EXIT_USAGE = 2 };

/* "embergate: message (where) — hint" on standard error; gives EG_EXIT_FAILED, or EG_EXIT_USAGE for EG_ERR_INVALID and
 * EG_ERR_CONFIG. */
int eg_cli_complain(const eg_problem *p);
/* "embergate NAME: message" and where to find help; gives EG_EXIT_USAGE. */
int eg_cli_usage(const char *command, const char *fmt, ...) EG_PRINTF(2, 3);
/* Prints v to standard output, indented. */
void eg_cli_print_json(const json_t *v);
/* Writes text from outside so that it can't move a terminal's cursor: control characters become '?'. */
void eg_cli_put_inert(FILE *to, eg_str text);

/* Where a gateway is and who we are there: a JSON file, mode 0600, as `embergate init` writes it. */
typedef struct eg_profile {
    char path[512];
    char endpoint[256];      /* https://host:port */
    char tenant[64];
    char client_id[256];
    char client_secret[512]; /* secret */
    char ca[512];            /* PEM file; "" = the system's */
    char cluster[64];
    char account[64];
    char container[64];
    char state_dir[512];     /* "" when the gateway is on another machine */
    char subscription[64];   /* under which policies are administered */
    char login[16];          /* "client", "device", "browser"; "" = what fits */
    char authority[512];     /* issuer of the tokens; "" = the gateway's own */
    char authority_ca[512];  /* PEM file for the authority; "" = the system's */
    char scope[512];         /* what is asked for there */
    char storage_scope[512]; /* the same for storage; "" = one token is good for both */
    char resource[256];      /* RFC 8707; "" = none */
    char client_secret_file[512];
    char client_key[512];    /* PEM file of a private key that signs assertions (RFC 7523) */
    char client_certificate[512];  /* PEM file: names that key by its x5t#S256 */
    char client_algorithm[8];      /* "RS256", "PS256", "ES256"; "" = what fits the key */
    char federated_token_file[512];
    char client_proof[12];         /* what client_key does: "assertion" (""), or "tls": it is the key of client_certificate in the handshake (RFC 8705) */
} eg_profile;

/* --profile FILE, else $EMBERGATE_PROFILE, else ~/.config/embergate/profile.json; $EMBERGATE_ENDPOINT, _TENANT, _CLIENT_ID,
 * _CLIENT_SECRET, _CA, _CLUSTER, … override its fields (docs/CLI.md). `path` NULL = not given. */
eg_err eg_profile_load(const char *path, eg_profile *ret, eg_problem *p) EG_MUST_CHECK;
void eg_profile_done(eg_profile *profile);   /* cleanses */
/* The same for a profile that need not be there yet; its endpoint isn't checked. */
eg_err eg_profile_load_any(const char *path, eg_profile *ret, eg_problem *p) EG_MUST_CHECK;
/* EG_OK when there is an endpoint that can be asked. */
eg_err eg_profile_check(const eg_profile *profile, eg_problem *p) EG_MUST_CHECK;
/* Sets a field by name ("authority"). EG_ERR_NOT_FOUND, EG_ERR_INVALID. */
eg_err eg_profile_set(eg_profile *profile, const char *name, const char *value, eg_problem *p) EG_MUST_CHECK;
/* Writes the named fields (NULL-terminated) into the profile's file, mode 0600; what else stands in it stays. */
eg_err eg_profile_save(const eg_profile *profile, const char *const *names, eg_problem *p) EG_MUST_CHECK;

/* One exchange with the gateway. */
typedef struct eg_cli_call {
    const char *method;
    const char *url;               /* absolute, https */
    const char *ca;
    const char *token;             /* bearer; NULL = none */
    const char *content_type;      /* NULL = none */
    eg_bytes body;
    const char *const *headers;    /* "Name: value", NULL-terminated; may be NULL */
    const eg_profile *client;      /* whose certificate is shown in the handshake, if its client_proof is "tls"; NULL = nobody's */
    bool provider;                 /* not the gateway but a provider of tokens: a proxy of the environment counts, and less is waited and taken */
} eg_cli_call;

/* client_proof.c: it shows a client certificate. */
bool eg_profile_shows_certificate(const eg_profile *profile);

/* *ret_body is initialised by the callee; the caller frees it. Answers of any status are EG_OK. */
eg_err eg_cli_exchange(const eg_cli_call *call, long *ret_status, eg_buf *ret_body, eg_problem *p) EG_MUST_CHECK;

typedef enum eg_cli_audience { EG_CLI_GATEWAY, EG_CLI_STORAGE } eg_cli_audience;
/* An access token: of the session that `embergate login` began, refreshed when it is nearly over; without a session, a new one by the
 * profile's client credentials. */
eg_err eg_cli_token(const eg_profile *profile, eg_cli_audience audience, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;

/* Signs in and asks; a refusal (status 4xx, 5xx) becomes a problem that quotes the gateway. The profile is the one that
 * eg_cli_use_profile named last. *ret may be NULL when no body came. */
void eg_cli_use_profile(const char *path);
const char *eg_cli_profile_path(void);
eg_err eg_cli_send_json(const char *method, const char *path_and_query, const json_t *body, json_t **ret, eg_problem *p) EG_MUST_CHECK;
/* The same with an Idempotency-Key, so that a lost answer can be asked for again; NULL makes a random one. */
eg_err eg_cli_send_json_once(const char *method, const char *path_and_query, const json_t *body, const char *idempotency_key,
                             json_t **ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_cli_get_json(const char *path_and_query, json_t **ret, eg_problem *p) EG_MUST_CHECK;
/* What is no JSON. *ret is initialised by the callee once there was an answer, also for a refusal; the caller frees it. EG_ERR_NOT_FOUND for 404, EG_ERR_UNAVAILABLE when nobody is there. */
eg_err eg_cli_get_bytes(const eg_profile *profile, const char *path, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;

/* The commands, one file each. */
int eg_cli_submit(int argc, char **argv);
int eg_cli_jobs(int argc, char **argv);
int eg_cli_audit(int argc, char **argv);
int eg_cli_audit_verify(int argc, char **argv);
int eg_cli_audit_fetch(int argc, char **argv);
int eg_cli_audit_show(int argc, char **argv);
int eg_cli_env(int argc, char **argv);
int eg_cli_token_command(int argc, char **argv);
int eg_cli_status(int argc, char **argv);
int eg_cli_policy(int argc, char **argv);
int eg_cli_completion(int argc, char **argv);
int eg_cli_login(int argc, char **argv);
int eg_cli_logout(int argc, char **argv);
int eg_cli_whoami(int argc, char **argv);

#endif
