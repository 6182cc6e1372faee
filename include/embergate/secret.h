/* Keys and tokens: not printable, cleansed when freed, compared in constant time. */
#ifndef EMBERGATE_SECRET_H
#define EMBERGATE_SECRET_H

#include <embergate/bytes.h>

typedef struct eg_secret eg_secret;

/* A copy of n bytes; the memory is locked where the limit allows and excluded from core dumps. NULL without memory. */
eg_secret *eg_secret_new(const void *p, size_t n);
eg_secret *eg_secret_random(size_t n);
void eg_secret_free(eg_secret *s);
eg_bytes eg_secret_bytes(const eg_secret *s);         /* borrowed; don't copy it anywhere that is not a secret */
bool eg_secret_eq(const eg_secret *s, eg_bytes other); /* constant time for equal lengths */
void eg_cleanse(void *p, size_t n);                   /* not removed by the optimiser */
EG_DEFINE_CLEANUP(eg_secret, eg_secret_free)

#endif
