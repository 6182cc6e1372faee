/* The messages of run/admin.sock, which only the user who runs the server may send: the commands of people who administer it. */
#ifndef GATEWAY_PROCESS_ADMIN_PROTOCOL_H
#define GATEWAY_PROCESS_ADMIN_PROTOCOL_H

#include <embergate/ipc.h>
#include <embergate/keys.h>

/* X(identifier, number, name, bytes of the largest request). Fields are length-prefixed texts; replies are one text unless said. docs/KEYS.md has them. */
#define EG_ADMIN_MSG_LIST(X)                          \
    X(KEY_LIST, 1, "key_list", 256)                   \
    X(KEY_MAKE, 2, "key_make", 512)                   \
    X(KEY_ROTATE, 3, "key_rotate", 512)               \
    X(KEY_STATUS, 4, "key_status", 0)                 \
    X(KEY_ERASE, 5, "key_erase", 16384)               \
    X(SCOPE_ADD, 6, "scope_add", 512)                 \
    X(SCOPE_ENABLE, 7, "scope_enable", 512)           \
    X(SCOPE_KEY, 8, "scope_key", 512)                 \
    X(SCOPE_LIST, 9, "scope_list", 256)               \
    X(BACKUP_BEGIN, 10, "backup_begin", 512)          \
    X(BACKUP_RESUME, 11, "backup_resume", 64)         \
    X(BACKUP_SIGN, 12, "backup_sign", 65536 + 64)     \
    X(BACKUP_END, 13, "backup_end", 4096)             \
    X(ACCOUNT_LIST, 14, "account_list", 256)          \
    X(ACCOUNT_KEYS, 15, "account_keys", 256)          \
    X(ACCOUNT_RENEW, 16, "account_renew", 512)          \
    X(SIGNING_ROTATE, 17, "signing_rotate", 64)       \
    X(SIGNING_LIST, 18, "signing_list", 0)            \
    X(REVOKE, 30, "revoke", 24576)                    \
    X(REVOKE_UNDO, 31, "revoke_undo", 1024)           \
    X(REVOKE_LIST, 32, "revoke_list", 256)            \
    X(PRINCIPAL, 33, "principal", 1024)               \
    X(PRINCIPAL_LIST, 34, "principal_list", 256)      \
    X(PRINCIPAL_PROOF, 35, "principal_proof", 65536 + 1024) \
    X(POLICY_GRANT, 40, "policy_grant", 4096)         \
    X(POLICY_LOOK, 41, "policy_look", 0)

enum {
#define X(id, number, name, max) EG_ADMIN_MSG_##id = number,
    EG_ADMIN_MSG_LIST(X)
#undef X
};

#define EG_ADMIN_SOCKET "run/admin.sock"
#define EG_ADMIN_REPLY_MAX ((size_t)1 << 19)

/* Sends one message with up to four texts; *ret gets the reply's first field (initialised by the caller; may be NULL). EG_ERR_UNAVAILABLE when no server runs. */
typedef struct eg_admin_call {
    const char *state_dir;
    uint16_t type;
    eg_str fields[4];
    size_t count;
    int timeout_ms;
} eg_admin_call;
eg_err eg_admin_ask(const eg_admin_call *c, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;
/* The same, with the whole reply; *ret is initialised here, and done by the caller on EG_OK. */
eg_err eg_admin_ask_message(const eg_admin_call *c, eg_ipc_msg *ret, eg_problem *p) EG_MUST_CHECK;

#endif
