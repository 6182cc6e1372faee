/* A disk that a test breaks: LD_PRELOADed, fdatasync of the file whose inode stands in $FAILING_SYNC_FILE, a shared uint64, is EIO; 0 = of none. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const volatile uint64_t *broken;

static __attribute__((constructor)) void begin(void) {
    const char *path = getenv("FAILING_SYNC_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *p = fd >= 0 ? mmap(NULL, sizeof *broken, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    broken = p == MAP_FAILED ? NULL : p;
    if (fd >= 0) {
        close(fd);
    }
}

int fdatasync(int fd) {
    struct stat st;
    if (broken && *broken != 0 && fstat(fd, &st) == 0 && st.st_ino == *broken) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}
