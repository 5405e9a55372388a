/* Preloaded into httpd by the benchmark: keeps count of the bytes of the heap that are in use, as glibc rounds them, in
   a file of each process that the benchmark can read while it runs: $HEAP_COUNTS/PID. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t number, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

/* What glibc keeps before each block. */
#define HEADER sizeof(size_t)

static long before_the_file;
static long *in_use = &before_the_file;

static void count(void *block, int sign)
{
    if (block) {
        __atomic_fetch_add(in_use, sign * (long)(malloc_usable_size(block) + HEADER), __ATOMIC_RELAXED);
    }
}

static void *counted(void *block)
{
    count(block, 1);
    return block;
}

/* A process begins, with what its parent had in use. */
static void open_file(void)
{
    const char *directory = getenv("HEAP_COUNTS");
    char path[PATH_MAX];
    long *shared;
    int file;

    if (!directory) {
        return;
    }
    snprintf(path, sizeof path, "%s/%d", directory, (int)getpid());
    file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0 || ftruncate(file, sizeof *shared) != 0) {
        abort();
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared == MAP_FAILED) {
        abort();
    }
    *shared = *in_use;
    in_use = shared;
}

__attribute__((constructor)) static void begin(void)
{
    open_file();
    pthread_atfork(NULL, NULL, open_file);
}

void *malloc(size_t size)
{
    return counted(__libc_malloc(size));
}

void *calloc(size_t number, size_t size)
{
    return counted(__libc_calloc(number, size));
}

void *realloc(void *old, size_t size)
{
    void *block;

    count(old, -1);
    block = counted(__libc_realloc(old, size));
    if (!block && size) {
        count(old, 1);
    }
    return block;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **place, size_t alignment, size_t size)
{
    void *block = aligned_alloc(alignment, size);
    if (!block) {
        return ENOMEM;
    }
    *place = block;
    return 0;
}

void free(void *block)
{
    count(block, -1);
    __libc_free(block);
}
