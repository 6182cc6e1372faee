/* A copy of an audit log, kept by somebody who doesn't trust its server: it grows by what the server serves, and only to what the server has signed. audit/ implements it. */
#ifndef EMBERGATE_AUDIT_MIRROR_H
#define EMBERGATE_AUDIT_MIRROR_H

#include <embergate/bytes.h>

#define EG_AUDIT_MIRROR_PATH_LEN 64
/* In the copy's folder: where it is from, for people. That it is there tells a copy from a server's own log. */
#define EG_AUDIT_MIRROR_SOURCE "source"

typedef struct eg_audit_mirror eg_audit_mirror;

/* Opens the copy in dir, or begins one there; nobody else has it open meanwhile (EG_ERR_BUSY). verifier_key ("name+hash+base64") must be given for a new copy; of an older one
 * NULL is the key that it began with, and another key is EG_ERR_INVALID, as is a folder that is a server's own log. EG_ERR_CORRUPT: the copy is damaged. */
eg_err eg_audit_mirror_open(const char *dir, const char *verifier_key, const char *source, eg_audit_mirror **ret, eg_problem *p) EG_MUST_CHECK;
void eg_audit_mirror_close(eg_audit_mirror *m); /* NULL is fine. What was not ended is as if it had not begun */
uint64_t eg_audit_mirror_size(const eg_audit_mirror *m);
EG_DEFINE_CLEANUP(eg_audit_mirror, eg_audit_mirror_close)

/* Whether there is a copy in dir already, so that no key is owed. */
bool eg_audit_mirror_exists(const char *dir);

/* A checkpoint that the server serves. EG_ERR_CORRUPT: it isn't signed by the key, or has fewer entries than the copy, or as many and others: the log was set back, or made anew. */
eg_err eg_audit_mirror_begin(eg_audit_mirror *m, eg_str note, eg_problem *p) EG_MUST_CHECK;
/* The next piece that is wanted from the server, as "tile/entries/000.p/44"; false when there is none. */
bool eg_audit_mirror_next(const eg_audit_mirror *m, char ret[EG_AUDIT_MIRROR_PATH_LEN]);
/* That piece. EG_ERR_CORRUPT when it isn't one of that many entries. */
eg_err eg_audit_mirror_add(eg_audit_mirror *m, eg_bytes bundle, eg_problem *p) EG_MUST_CHECK;
/* When all is there: durable, if it adds up to what the server signed; else EG_ERR_CORRUPT, and the copy stays as it was. */
eg_err eg_audit_mirror_end(eg_audit_mirror *m, eg_problem *p) EG_MUST_CHECK;
/* A cosigned checkpoint, as the server served it before the one that was ended last: kept for each witness that has a line in it, unless what is kept of it is of more
 * entries. EG_ERR_CORRUPT: it is of more than the copy has, or of others. */
eg_err eg_audit_mirror_witnessed(eg_audit_mirror *m, eg_str note, eg_problem *p) EG_MUST_CHECK;
/* Entries from `from` on, as they stand in the copy. What fn returns ends it. */
eg_err eg_audit_mirror_each(const eg_audit_mirror *m, uint64_t from, eg_err (*fn)(void *ctx, uint64_t index, eg_bytes entry), void *ctx, eg_problem *p) EG_MUST_CHECK;

#endif
