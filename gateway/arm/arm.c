/* The room: what its handlers reach. */
#include "arm_state.h"

#include <stdlib.h>

eg_err eg_arm_new(const eg_arm_options *o, eg_arm **ret) {
    eg_arm *a = calloc(1, sizeof *a);
    if (!a) {
        return EG_ERR_NO_MEMORY;
    }
    a->o = *o;
    *ret = a;
    return EG_OK;
}

void eg_arm_free(eg_arm *a) {
    free(a);
}
