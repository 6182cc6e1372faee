/* The bytes of a runner's sealed log (docs/RUNNER-FILES.md), shared by its writer and its reader. */
#ifndef EG_COMPUTE_RUNNER_LOG_FORMAT_H
#define EG_COMPUTE_RUNNER_LOG_FORMAT_H

#include <embergate/crypto.h>

/* File: magic (format version in its last byte), salt, then records. */
#define EG_LOG_MAGIC "EGRLOG\0\1"
#define EG_LOG_MAGIC_LEN 8
#define EG_LOG_SALT_LEN 24
#define EG_LOG_HEAD (EG_LOG_MAGIC_LEN + EG_LOG_SALT_LEN)
/* Record: u32 sealed length, u64 number, u64 newlines before it, u8 flags; then ciphertext and tag, with that head authenticated. */
#define EG_LOG_RECORD_HEAD 21
#define EG_LOG_PLAIN_MAX (32u << 10)
#define EG_LOG_FLAG_CUT 1

typedef struct eg_log_record_head {
    uint32_t sealed;
    uint64_t seq;
    uint64_t lines_before;
    uint8_t flags;
} eg_log_record_head;

static inline void eg_log_put_head(const eg_log_record_head *h, uint8_t *p) {
    eg_put_u32(p, h->sealed);
    eg_put_u64(p + 4, h->seq);
    eg_put_u64(p + 12, h->lines_before);
    p[20] = h->flags;
}

static inline eg_log_record_head eg_log_get_head(const uint8_t *p) {
    return (eg_log_record_head){.sealed = eg_get_u32(p), .seq = eg_get_u64(p + 4), .lines_before = eg_get_u64(p + 12), .flags = p[20]};
}

static inline void eg_log_nonce(uint64_t seq, uint8_t ret[EG_GCM_NONCE_LEN]) {
    memset(ret, 0, EG_GCM_NONCE_LEN);
    eg_put_u64(ret + 4, seq);
}

/* The key of one file: derived from the runner's log key, the file's salt and its name, so that no nonce can meet another file's. */
eg_err eg_runner_log_aead(eg_bytes log_key, const uint8_t head[EG_LOG_HEAD], const char *name, eg_aead **ret) EG_MUST_CHECK;

#endif
