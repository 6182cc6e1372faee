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
    char client_id[64];
    char client_secret[128]; /* secret */
    char ca[512];            /* PEM file; "" = the system's */
    char cluster[64];
    char account[64];
    char container[64];
    char state_dir[512];     /* "" when the gateway is on another machine */
} eg_profile;

/* --profile FILE, else $EMBERGATE_PROFILE, else ~/.config/embergate/profile.json; $EMBERGATE_ENDPOINT, _TENANT, _CLIENT_ID,
 * _CLIENT_SECRET, _CA, _CLUSTER override its fields. `path` NULL = not given. */
eg_err eg_profile_load(const char *path, eg_profile *ret, eg_problem *p) EG_MUST_CHECK;
void eg_profile_done(eg_profile *profile);   /* cleanses */

/* One exchange with the gateway. */
typedef struct eg_cli_call {
    const char *method;
    const char *url;               /* absolute, https */
    const char *ca;
    const char *token;             /* bearer; NULL = none */
    const char *content_type;      /* NULL = none */
    eg_bytes body;
    const char *const *headers;    /* "Name: value", NULL-terminated; may be NULL */
} eg_cli_call;

/* *ret_body is initialised by the callee; the caller frees it. Answers of any status are EG_OK. */
eg_err eg_cli_exchange(const eg_cli_call *call, long *ret_status, eg_buf *ret_body, eg_problem *p) EG_MUST_CHECK;

typedef enum eg_cli_audience { EG_CLI_GATEWAY, EG_CLI_STORAGE } eg_cli_audience;
/* A new access token by the profile's client credentials. */
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

/* The commands, one file each. */
int eg_cli_submit(int argc, char **argv);
int eg_cli_jobs(int argc, char **argv);
int eg_cli_audit(int argc, char **argv);
int eg_cli_audit_verify(int argc, char **argv);
int eg_cli_audit_show(int argc, char **argv);
int eg_cli_env(int argc, char **argv);
int eg_cli_token_command(int argc, char **argv);
int eg_cli_status(int argc, char **argv);
int eg_cli_policy(int argc, char **argv);
int eg_cli_completion(int argc, char **argv);

#endif
