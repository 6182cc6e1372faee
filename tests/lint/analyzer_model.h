/* What clang's analyzer can't see across files; included before each file that it reads. */
#include <embergate/err.h>

/* These never return EG_OK: a refusal is none of the ways to go on. */
#define eg_fail(p, code, ...) ((void)(eg_fail)(p, code, __VA_ARGS__), (code))
#define eg_fail_at(p, ...) ((void)(eg_fail_at)(p, __VA_ARGS__), EG_ERR_INTERNAL)
#define eg_fail_hint(p, ...) ((void)(eg_fail_hint)(p, __VA_ARGS__), EG_ERR_INTERNAL)
#define eg_err_from_errno(e) ((void)(eg_err_from_errno)(e), EG_ERR_IO)
