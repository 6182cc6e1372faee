/* A statement with its signature as a JSON file: certificates of erasure, manifests of backups. */
#ifndef GATEWAY_PROCESS_SIGNED_STATEMENT_H
#define GATEWAY_PROCESS_SIGNED_STATEMENT_H

#include <embergate/json.h>
#include <embergate/keys.h>

/* What is signed: the kind's line (EG_STATEMENT_*), the JSON in one line. */
eg_err eg_statement_body(const char *kind, const json_t *value, eg_buf *ret) EG_MUST_CHECK;
/* {"statement","origin","publicKey","signature"} */
eg_err eg_statement_file(eg_str body, eg_str origin, const uint8_t public_key[32], const uint8_t signature[64], eg_buf *ret) EG_MUST_CHECK;
/* The value of a file that is signed, of this kind; by `verifier_key`, unless that is empty, else by the key that the file names, which proves less.
 * EG_ERR_CORRUPT, EG_ERR_INVALID for what is no such file or key. *ret_value is owned by the caller. */
eg_err eg_statement_open(const char *kind, eg_str file, eg_str verifier_key, json_t **ret_value, eg_problem *p) EG_MUST_CHECK;

#endif
