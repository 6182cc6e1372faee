/* What requests of both protocols say about encryption: a customer-provided key, an encryption scope, an encryption context. */
#ifndef EG_STORAGE_ENCRYPTION_H
#define EG_STORAGE_ENCRYPTION_H

#include "file_key.h"
#include "target.h"

#define EG_ENCRYPTION_CONTEXT_MAX 1024

/* x-ms-encryption-key, -key-sha256 and -algorithm: all three or none. *ret is NULL without them; the caller frees it, and lends it to an
 * inode as customer_key. EG_ERR_HTTP_HEADER. Never blocks. */
eg_err eg_encryption_customer_key(eg_request *rq, eg_secret **ret) EG_MUST_CHECK;
/* x-ms-encryption-context, set as the attribute of what is made. */
eg_err eg_encryption_context(eg_request *rq, eg_inode *made) EG_MUST_CHECK;
/* x-ms-encryption-scope, or the default of the container, set as the attribute of what is made. EG_ERR_SCOPE_OVERRIDE: the container
 * allows no other. EG_ERR_DISALLOWED_POLICY: a policy denies such a container. */
eg_err eg_encryption_scope(eg_request *rq, const eg_target *d, eg_inode *made) EG_MUST_CHECK;
/* x-ms-default-encryption-scope and x-ms-deny-encryption-scope-override of a container that is made, as the attribute of its root directory.
 * EG_ERR_DISALLOWED_POLICY. */
eg_err eg_encryption_container(eg_request *rq, const eg_target *d, eg_bytes *ret) EG_MUST_CHECK;
eg_err eg_encryption_describe_container(eg_request *rq, const eg_inode *root) EG_MUST_CHECK;
/* The two parts of that attribute; the name is "" without one. */
eg_str eg_encryption_default(const eg_inode *root, bool *ret_deny);
/* Whether policies let anything new be sealed in the scope of this file: EG_ERR_DISALLOWED_POLICY, and rq->decided_by says by which. */
eg_err eg_encryption_may_seal(eg_request *rq, const eg_target *d, const eg_inode *i) EG_MUST_CHECK;
/* Everything of the above for a file that is made, and its keys. The caller frees *ret_customer after the answer is made. */
eg_err eg_encryption_make(eg_request *rq, const eg_target *d, eg_file_key_plan *plan, eg_inode *made, eg_secret **ret_customer) EG_MUST_CHECK;
/* Puts what eg_file_key_open and eg_file_key_make refuse into words. */
eg_err eg_encryption_problem(eg_request *rq, eg_err e);

/* Whether the request brings the key that the file was made with, said in words: 409 with Azure's codes. Sets i->customer_key to `key`. */
eg_err eg_encryption_check(eg_request *rq, eg_inode *i, const eg_secret *key) EG_MUST_CHECK;
/* The same for requests that do nothing with the content but must bring the key all the same, as setting properties does. */
eg_err eg_encryption_require(eg_request *rq, const eg_inode *i) EG_MUST_CHECK;
/* x-ms-encryption-key-sha256 of a file with a customer's key, x-ms-encryption-scope of one in a scope. */
eg_err eg_encryption_echo(eg_request *rq, const eg_inode *i) EG_MUST_CHECK;
/* All that HEAD and GET say: x-ms-server-encrypted, the key's digest, the context. */
eg_err eg_encryption_describe(eg_request *rq, const eg_inode *i) EG_MUST_CHECK;

#endif
