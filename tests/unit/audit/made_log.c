/* Writes a log of N entries for verifiers that are not ours: made_log DIR N. */
#include "made_log.h"

int main(int argc, char **argv) {
    uint64_t size = 0;
    if (argc != 3 || eg_str_u64(eg_str_of(argv[2]), 1000000, &size) != EG_OK) {
        fprintf(stderr, "usage: made_log DIR ENTRIES\n");
        return 2;
    }
    made_log(argv[1], size);
    return 0;
}
