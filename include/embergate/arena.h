/* Memory that is freed all at once: one arena per request, nothing in it outlives the response. */
#ifndef EMBERGATE_ARENA_H
#define EMBERGATE_ARENA_H

#include <embergate/bytes.h>
#include <stdarg.h>

typedef struct eg_arena eg_arena;

/* `max` bounds all that the arena ever hands out. Not thread-safe: an arena has one user at a time. */
eg_arena *eg_arena_new(size_t max);
void eg_arena_free(eg_arena *a);
/* As freed and made anew, with its first chunk cleansed and kept: for whoever needs one arena after another. */
void eg_arena_reset(eg_arena *a);
/* Zeroed, aligned for any type; NULL when the bound or the machine's memory is reached. */
void *eg_arena_alloc(eg_arena *a, size_t n);
/* NUL-terminated copy; {NULL,0} on failure. */
eg_str eg_arena_str(eg_arena *a, eg_str s);
eg_str eg_arena_vprintf(eg_arena *a, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
eg_str eg_arena_printf(eg_arena *a, const char *fmt, ...) EG_PRINTF(2, 3);
/* Calls fn(p) when the arena is freed, in reverse order. */
eg_err eg_arena_defer(eg_arena *a, void (*fn)(void *), void *p) EG_MUST_CHECK;
EG_DEFINE_CLEANUP(eg_arena, eg_arena_free)

#endif
