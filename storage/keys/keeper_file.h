/* The files of a keeper directory: one header, and bodies sealed under the master key. docs/KEYS.md is the format. */
#ifndef EG_STORAGE_KEYS_KEEPER_FILE_H
#define EG_STORAGE_KEYS_KEEPER_FILE_H

#include <embergate/crypto.h>

#define EG_KEEPER_MASTER_FILE "master.key"
#define EG_KEEPER_RECOVERY_FILE "recovery.sealed"
#define EG_KEEPER_TOKEN_FILE "token-signing.key"
#define EG_KEEPER_LOG_FILE "log.key"
#define EG_KEEPER_TENANTS_DIR "tenants"
#define EG_KEEPER_CHECKPOINTS_DIR "checkpoints"
#define EG_KEEPER_NAME_MAX 160 /* of a file inside the directory, with NUL */

/* The letter after the version in a file's header. */
typedef enum eg_keeper_kind {
    EG_KEEPER_KIND_NONE = 0,
    EG_KEEPER_MASTER = 'M',
    EG_KEEPER_RECOVERY = 'R',
    EG_KEEPER_TENANT = 'T',
    EG_KEEPER_TOKEN = 'J',
    EG_KEEPER_LOG = 'L',
    EG_KEEPER_CHECKPOINT = 'C',
} eg_keeper_kind;

/* Opens the directory, which must be ours alone (EG_ERR_CONFIG otherwise). */
eg_err eg_keeper_dir_open(const char *dir, int *ret_fd, eg_problem *p) EG_MUST_CHECK;

eg_err eg_keeper_file_write(int dir_fd, const char *name, eg_keeper_kind kind, eg_bytes body, eg_problem *p) EG_MUST_CHECK;
/* The body behind a header of this kind. EG_ERR_CORRUPT, EG_ERR_FORMAT_VERSION, EG_ERR_NOT_FOUND. */
eg_err eg_keeper_file_read(int dir_fd, const char *name, eg_keeper_kind kind, eg_secret **ret_body, eg_problem *p) EG_MUST_CHECK;

/* Seals under the key that `root` gives for this kind of file; `bound` (what the file is for) is authenticated. */
eg_err eg_keeper_seal(const eg_secret *root, eg_keeper_kind kind, eg_bytes bound, eg_bytes plain, eg_buf *ret) EG_MUST_CHECK;
eg_err eg_keeper_unseal(const eg_secret *root, eg_keeper_kind kind, eg_bytes bound, eg_bytes sealed, eg_secret **ret) EG_MUST_CHECK;

/* A new master key's file body, and its check on reading. */
eg_err eg_keeper_master_write(int dir_fd, const eg_secret *master, eg_problem *p) EG_MUST_CHECK;
eg_err eg_keeper_master_read(int dir_fd, eg_secret **ret, eg_problem *p) EG_MUST_CHECK;

/* "tenants/{tenant}.key"; EG_ERR_INVALID unless tenant is a lower-case GUID, so that no path comes from outside. */
eg_err eg_keeper_tenant_file(eg_str tenant, char ret[EG_KEEPER_NAME_MAX]) EG_MUST_CHECK;

/* Cleanses and frees a buffer that held a key. */
void eg_keeper_buf_done(eg_buf *b);

#endif
