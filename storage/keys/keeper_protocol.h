/* The messages of the keeper's socket; docs/KEYS.md lists their fields. */
#ifndef EG_STORAGE_KEYS_KEEPER_PROTOCOL_H
#define EG_STORAGE_KEYS_KEEPER_PROTOCOL_H

/* X(identifier, number, name, bytes of the largest request). A number is never used again for something else. */
#define EG_KEEPER_MSG_LIST(X)                           \
    X(NEW_DATA_KEY, 1, "new_data_key", 1024)            \
    X(UNWRAP, 2, "unwrap", 1024)                        \
    X(SIGN_TOKEN, 3, "sign_token", 12288 + 4)           \
    X(TOKEN_KEYS, 4, "token_keys", 0)                   \
    X(SIGN_CHECKPOINT, 5, "sign_checkpoint", 2048 + 512) \
    X(LOG_PUBLIC_KEY, 6, "log_public_key", 512)         \
    X(NEW_DATA_KEY_UNDER, 7, "new_data_key_under", 1024) \
    X(REWRAP, 8, "rewrap", 1024)                        \
    X(MAKE_KEY, 9, "make_key", 512)                     \
    X(ROTATE_KEY, 10, "rotate_key", 512)                \
    X(RETIRE_KEY, 11, "retire_key", 512)                \
    X(LIST_KEYS, 12, "list_keys", 512)                  \
    X(DESTROY_TENANT, 13, "destroy_tenant", 512)        \
    X(SIGN_STATEMENT, 14, "sign_statement", 65536 + 512) \
    X(NEW_DATA_KEYS, 15, "new_data_keys", 8192)         \
    X(ROTATE_TOKEN_KEY, 16, "rotate_token_key", 64)     \
    X(LIST_TOKEN_KEYS, 17, "list_token_keys", 0)        \
    X(INSTALLATION_KEY, 18, "installation_key", 512)    \
    X(RECALL_CHECKPOINT, 19, "recall_checkpoint", 2048 + 512)

enum {
#define X(id, number, name, max) EG_KEEPER_MSG_##id = number,
    EG_KEEPER_MSG_LIST(X)
#undef X
};

#define EG_KEEPER_TOKEN_MAX 20480
#define EG_KEEPER_JWKS_MAX 65536
#define EG_KEEPER_LIST_MAX ((size_t)1 << 19)

#endif
