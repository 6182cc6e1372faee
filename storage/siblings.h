/* The entries of one directory in the byte order of their names, from any name on; long ones too, whose rows are not in that order. */
#ifndef EG_STORAGE_SIBLINGS_H
#define EG_STORAGE_SIBLINGS_H

#include "namespace.h"

/* Within one transaction. Holds a bounded window of names at most, whatever the directory holds. */
typedef struct eg_siblings eg_siblings;
eg_err eg_siblings_new(eg_kv_txn *t, const eg_account *a, eg_siblings **ret) EG_MUST_CHECK;
void eg_siblings_free(eg_siblings *s);
EG_DEFINE_CLEANUP(eg_siblings, eg_siblings_free)
/* Goes to the first name above `above`, or equal to it when `inclusive`. `above` may end in '/', which no name has. At most EG_NAME_MAX + 1 bytes. */
eg_err eg_siblings_seek(eg_siblings *s, const eg_id *directory, eg_str above, bool inclusive) EG_MUST_CHECK;
/* The entry that it stands at; valid until the next call with s. EG_ERR_NOT_FOUND: there is none any more. */
eg_err eg_siblings_peek(eg_siblings *s, eg_str *ret_name, eg_entry *ret) EG_MUST_CHECK;
void eg_siblings_next(eg_siblings *s);

#endif
