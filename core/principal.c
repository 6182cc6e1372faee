/* Makes, shares and frees principals. */
#include <embergate/principal.h>

#include <stdlib.h>

eg_principal *eg_principal_new(void) {
    eg_principal *p = calloc(1, sizeof *p);
    if (p) {
        p->refs = 1;
    }
    return p;
}

eg_principal *eg_principal_ref(eg_principal *p) {
    __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

void eg_principal_unref(eg_principal *p) {
    if (p && __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        free(p->groups);
        free(p);
    }
}

const char *eg_principal_kind_name(eg_principal_kind k) {
    static const char *const names[] = {
        [EG_PRINCIPAL_NONE] = "none",
        [EG_PRINCIPAL_USER] = "user",
        [EG_PRINCIPAL_SERVICE] = "service",
        [EG_PRINCIPAL_JOB] = "job",
    };
    return (unsigned)k < sizeof names / sizeof names[0] ? names[k] : names[EG_PRINCIPAL_NONE];
}
