/* Feeds the files it is given to a fuzz target once: what the fuzzers found stays found, in every compiler and sanitizer build. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        return 1;
    }
    uint8_t *data = malloc(1 << 20);
    size_t n = data ? fread(data, 1, 1 << 20, f) : 0;
    fclose(f);
    /* A copy of exactly n bytes, so that one read too far is seen. */
    uint8_t *exact = malloc(n ? n : 1);
    for (size_t i = 0; exact && data && i < n; i++) {
        exact[i] = data[i];
    }
    int bad = !exact || LLVMFuzzerTestOneInput(exact, n) != 0;
    free(exact);
    free(data);
    return bad;
}

int main(int argc, char **argv) {
    int count = 0, bad = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        for (struct dirent *e; d && (e = readdir(d));) {
            char path[4096];
            struct stat st;
            int n = snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (n > 0 && n < (int)sizeof path && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
                count++;
                bad += replay_file(path);
            }
        }
        if (d) {
            closedir(d);
        }
    }
    printf("replayed %d seeds, %d bad\n", count, bad);
    return count == 0 || bad != 0;
}
