/* Whether memory is an arena's, for response bodies that must live as long as their request. */
#ifndef EG_CORE_ARENA_HOLDS_H
#define EG_CORE_ARENA_HOLDS_H

#include <embergate/arena.h>

bool eg_arena_holds(const eg_arena *a, eg_bytes b);

#endif
