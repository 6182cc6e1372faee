/* The recovery key as people write it down. */
#ifndef EG_STORAGE_KEYS_RECOVERY_KEY_H
#define EG_STORAGE_KEYS_RECOVERY_KEY_H

#include <embergate/crypto.h>

/* "EGRK1-" and 14 groups of 4 base32 characters: 256 bits and a check of 24 bits. */
eg_err eg_recovery_key_text(const eg_secret *key, eg_buf *ret) EG_MUST_CHECK;
/* Case, blanks and hyphens don't matter. EG_ERR_INVALID when the check does not fit (mistyped). */
eg_err eg_recovery_key_parse(eg_str text, eg_secret **ret, eg_problem *p) EG_MUST_CHECK;

#endif
