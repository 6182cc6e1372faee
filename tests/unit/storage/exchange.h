/* Changes a file behind the back of who has written it: bytes for as many others, wherever they stand. */
#ifndef EG_TEST_EXCHANGE_H
#define EG_TEST_EXCHANGE_H

#include <embergate/bytes.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void exchange_bytes(const char *path, eg_bytes was, eg_bytes now) {
    struct stat st;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    uint8_t *at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(at, MAP_FAILED);
    assert_int_equal(was.len, now.len);
    size_t times = 0;
    for (uint8_t *x = at; (x = memmem(x, (size_t)(at + st.st_size - x), was.ptr, was.len)) != NULL; times++) {
        memcpy(x, now.ptr, now.len);
    }
    assert_true(times > 0);
    munmap(at, (size_t)st.st_size);
    close(fd);
}

#endif
