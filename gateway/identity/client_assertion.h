/* Assertions by which clients prove their private keys (RFC 7523 section 3), each taken once for a purpose. */
#ifndef EG_GATEWAY_IDENTITY_CLIENT_ASSERTION_H
#define EG_GATEWAY_IDENTITY_CLIENT_ASSERTION_H

#include "client_key.h"

/* Assertions that were taken, until they expire; in memory, bounded. Thread-safe. */
typedef struct eg_assertion_memory eg_assertion_memory;
eg_assertion_memory *eg_assertion_memory_new(size_t entries);
void eg_assertion_memory_free(eg_assertion_memory *m);
/* False when it was taken before; EG_ERR_TOO_MANY_REQUESTS when as many are remembered as may. */
eg_err eg_assertion_memory_take(eg_assertion_memory *m, eg_bytes what, int64_t expires_s, int64_t now_s, bool *ret_new) EG_MUST_CHECK;

typedef struct eg_assertion_question {
    eg_kv *kv;
    eg_str client_id;              /* of the request */
    const char *const *audiences;  /* names of the token endpoint; NULL-terminated */
    int64_t now_s;
    uint8_t *ret_key;              /* EG_SHA256_LEN bytes: which of its keys it was, as client_key.h digests it; may be NULL */
} eg_assertion_question;

/* Whom an assertion says it is of, before anything is believed; "" when it is malformed. Three parts: anything else is no JWT. */
bool eg_client_assertion_is_jwt(eg_str assertion);
eg_err eg_client_assertion_subject(eg_arena *a, eg_str assertion, eg_str *ret, eg_problem *p) EG_MUST_CHECK;
/* Signed by one of the client's keys, of it, for us, and good now. EG_ERR_OAUTH_CLIENT, with what is wrong. */
eg_err eg_client_assertion_check(eg_str assertion, const eg_assertion_question *q, char ret_id[129], int64_t *ret_expires_s, eg_problem *p) EG_MUST_CHECK;

#endif
