/* What people say about a file: "name=base64,…" in the Data Lake API (x-ms-properties), one header each in the Blob API (x-ms-meta-*).
 * Both are views of one attribute, which is stored in the first form. */
#ifndef EG_STORAGE_METADATA_H
#define EG_STORAGE_METADATA_H

#include "namespace.h"

/* The first form, from outside: base64, names that are allowed, each once (without case) and no more than EG_METADATA_NAMES_MAX. */
bool eg_metadata_ok(eg_str all);
/* x-ms-meta-* of a request in the first form, in its arena; "" when there is none. Names of `skip` are left out (may be NULL).
 * EG_ERR_METADATA: not a name, twice the same name; EG_ERR_METADATA_TOO_LARGE: more than EG_METADATA_MAX bytes or EG_METADATA_NAMES_MAX names. */
eg_err eg_metadata_of_headers(eg_request *rq, const char *skip, eg_str *ret) EG_MUST_CHECK;
/* The first form as x-ms-meta-* of the answer. A value that can't stand in a header is left out, and so is what is beyond EG_METADATA_NAMES_MAX. */
eg_err eg_metadata_headers(eg_request *rq, eg_str all) EG_MUST_CHECK;
/* <name>value</name> for each. */
eg_err eg_metadata_xml(eg_buf *b, eg_str all);

/* Bytes of names and values. */
#define EG_METADATA_MAX 8192
/* Names: each is a header of an answer, beside some 40 others (EG_RESPONSE_HEADERS_MAX). */
#define EG_METADATA_NAMES_MAX 50

#endif
