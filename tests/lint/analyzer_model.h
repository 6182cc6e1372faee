/* What clang's analyzer can't see across files; included before each file that it reads. */
#include <embergate/err.h>

/* eg_fail returns the code that it was given: a refusal is none of the ways to go on. */
#define eg_fail(p, code, ...) ((void)(eg_fail)(p, code, __VA_ARGS__), (code))
