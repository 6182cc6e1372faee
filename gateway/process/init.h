/* What `embergate init` is asked to make. */
#ifndef GATEWAY_PROCESS_INIT_H
#define GATEWAY_PROCESS_INIT_H

#include "../config/config.h"
#include "unix_user.h"

#include <embergate/crypto.h>

#define EG_INIT_LIST_MAX 32
#define EG_SERVER_CERTIFICATE_DAYS 397

typedef struct eg_init_options {
    const char *state_dir;                        /* absolute */
    const char *address;
    uint16_t port;
    const char *domain;
    const char *storage_domains[EG_INIT_LIST_MAX]; /* more of them, for the account alone */
    const char *account, *container;
    const char *clusters[EG_INIT_LIST_MAX];       /* names; the first is the default one */
    const char *spark_home, *python;
    const char *names[EG_INIT_LIST_MAX];          /* of the server certificate, besides the usual ones */
    const char *tenants[EG_INIT_LIST_MAX];        /* names; the first owns cluster and account */
    const char *jars[EG_INIT_LIST_MAX];
    unsigned workers, worker_cores, worker_memory_mb;
    const char *policies_source;                  /* "store" or "files" */
    bool make_users;                              /* own UNIX users for the processes; needs root */
} eg_init_options;

typedef struct eg_init_tenant {
    char id[EG_UUID_LEN];
    char subscription[EG_UUID_LEN];
} eg_init_tenant;

/* init_identity.c: a local principal with its profile file and roles. Through run/admin.sock when a server runs. */
typedef struct eg_new_principal {
    const char *state_dir;
    const char *tenant;                           /* GUID */
    const char *subscription;
    const char *name;                             /* also the profile's: profiles/{name}.json */
    const char *roles[EG_INIT_LIST_MAX];
    const char *scope;                            /* NULL = the subscription */
    const char *kind;                             /* "service" (NULL), "user" */
    const char *public_key;                       /* PEM file: it proves itself by that key, and nobody learns a secret. NULL = by a secret */
    bool drop;                                    /* `password`: it has none any more */
    const char *key_digest;                       /* `remove-key`: which, in hex */
} eg_new_principal;
eg_err eg_init_principal(const eg_config *c, const eg_new_principal *n, eg_problem *p) EG_MUST_CHECK;

/* What a running server is asked to do with a local principal, and what it says. The caller makes and cleanses the secret's buffer. */
typedef struct eg_principal_call {
    const char *act, *name, *kind;
} eg_principal_call;
typedef struct eg_principal_reply {
    char client_id[EG_UUID_LEN], object_id[EG_UUID_LEN], name[128];
    eg_buf secret;
} eg_principal_reply;
eg_err eg_principal_ask(const char *state_dir, const char *tenant, const eg_principal_call *ask, eg_principal_reply *ret, eg_problem *p) EG_MUST_CHECK;
/* principal_proof.c: "add-key", "remove-key", or "password", which comes from standard input or is asked for without echo. */
eg_err eg_principal_proof(const eg_new_principal *n, const char *act, eg_problem *p) EG_MUST_CHECK;
eg_err eg_init_grant(const eg_config *c, const eg_new_principal *n, const char *object_id, eg_problem *p) EG_MUST_CHECK; /* n's roles */
eg_err eg_init_rewrite_profile(const eg_config *c, const eg_new_principal *n, const eg_principal_reply *r, eg_problem *p) EG_MUST_CHECK;

/* init_files.c: CA, certificates, Java's trust store. */
eg_err eg_init_tls(const eg_init_options *o, eg_problem *p) EG_MUST_CHECK;
/* Virtual network and its security group in the policy directory. *ret_subnet is the subnet's resource id. */
eg_err eg_init_network(const eg_init_options *o, const char *subscription, char ret_subnet[256], eg_problem *p) EG_MUST_CHECK;
/* Gives each part of the state directory to the user who may read it. */
eg_err eg_init_owners(const eg_config *c, eg_problem *p) EG_MUST_CHECK;

int eg_command_init(int argc, char **argv);
int eg_command_principal(int argc, char **argv);
int eg_command_serve(int argc, char **argv);
int eg_command_stop(int argc, char **argv);
int eg_command_config(int argc, char **argv);
int eg_command_certificate(int argc, char **argv);
int eg_command_recover(int argc, char **argv);
int eg_command_tenant(int argc, char **argv);
int eg_command_revoke(int argc, char **argv);
int eg_command_breakglass(int argc, char **argv);
int eg_command_key(int argc, char **argv);
int eg_command_storage(int argc, char **argv);
int eg_command_storage_check(int argc, char **argv);
int eg_command_storage_scope(int argc, char **argv);
int eg_command_storage_account(int argc, char **argv);
int eg_command_backup(int argc, char **argv);
int eg_command_restore(int argc, char **argv);

/* "embergate: …" on standard error; exit status 2 for what the caller must mend, else 1. */
int eg_process_complain(const eg_problem *p);

#endif
