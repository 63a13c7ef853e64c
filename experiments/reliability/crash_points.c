/* A preloaded layer of the file system that keeps what a crash at each moment would leave.

Before every write, rename, mkdir, unlink and the like below a folder, and in the middle of every write,
the folder is copied to SNAPSHOTS/NUMBER. One thing is done at a time, so that each copy is what was there
at one instant: what a process that ends there leaves. crash_begin(folder, snapshots) starts it.

cc -shared -fPIC -O1 -o crash_points.so crash_points.c -ldl -lpthread */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char folder[4096], snapshots[4096];
static int active, number;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static __thread int inside;

#define REAL(type, name) static type (*real)(); if (!real) real = dlsym(RTLD_NEXT, name)

void crash_begin(const char *root, const char *target) {
    snprintf(folder, sizeof folder, "%s", root);
    snprintf(snapshots, sizeof snapshots, "%s", target);
    active = 1;
}

int crash_end(void) {
    active = 0;
    return number;
}

static int below(const char *path) {
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int fd_below(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int at_below(int fd, const char *path) {
    char whole[8192];
    if (path[0] == '/') return below(path);
    if (fd != AT_FDCWD) return fd_below(fd);
    if (!getcwd(whole, 4096)) return 0;
    strcat(whole, "/");
    strncat(whole, path, 4000);
    return below(whole);
}

static void snapshot(void) {
    char target[5000];
    snprintf(target, sizeof target, "%s/%06d", snapshots, number++);
    char *arguments[] = {"cp", "-a", folder, target, NULL};
    pid_t child;
    int status;
    if (!posix_spawnp(&child, "cp", NULL, NULL, arguments, environ)) waitpid(child, &status, 0);
}

/* Runs CALL with the folder copied before it, if it changes what is below the folder. */
#define GUARDED(type, changes, call)                 \
    if (!active || inside || !(changes)) return call; \
    pthread_mutex_lock(&one_at_a_time);              \
    inside = 1;                                      \
    snapshot();                                      \
    type result = call;                              \
    inside = 0;                                      \
    pthread_mutex_unlock(&one_at_a_time);            \
    return result

/* The same for N bytes: a second copy when half of them are written. */
#define HALVED(changes, n, half, rest, whole)                     \
    if (!active || inside || !(changes)) return whole;             \
    pthread_mutex_lock(&one_at_a_time);                           \
    inside = 1;                                                   \
    snapshot();                                                   \
    ssize_t result;                                               \
    if ((n) < 2) result = whole;                                  \
    else {                                                        \
        result = half;                                            \
        if (result == (ssize_t)((n) / 2)) {                       \
            snapshot();                                           \
            ssize_t more = rest;                                  \
            if (more > 0) result += more;                         \
        }                                                         \
    }                                                             \
    inside = 0;                                                   \
    pthread_mutex_unlock(&one_at_a_time);                         \
    return result

#define OPENS(name, parameters, given, fd, path)                   \
    int name parameters {                                          \
        REAL(int, #name);                                          \
        mode_t mode = 0;                                           \
        if (flags & (O_CREAT | O_TMPFILE)) {                       \
            va_list more;                                          \
            va_start(more, flags);                                 \
            mode = va_arg(more, mode_t);                           \
            va_end(more);                                          \
        }                                                          \
        GUARDED(int, (flags & (O_CREAT | O_TRUNC)) && at_below(fd, path), real given); \
    }

OPENS(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD, path)
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD, path)
OPENS(openat, (int fd, const char *path, int flags, ...), (fd, path, flags, mode), fd, path)
OPENS(openat64, (int fd, const char *path, int flags, ...), (fd, path, flags, mode), fd, path)

#define FOPENS(name)                                                                  \
    FILE *name(const char *path, const char *mode) {                                  \
        REAL(FILE *, #name);                                                          \
        GUARDED(FILE *, strpbrk(mode, "wa+") && at_below(AT_FDCWD, path), real(path, mode)); \
    }

FOPENS(fopen)
FOPENS(fopen64)

ssize_t write(int fd, const void *data, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    HALVED(fd_below(fd), n, real(fd, data, n / 2),
           real(fd, (const char *)data + n / 2, n - n / 2), real(fd, data, n));
}

#define PWRITES(name, offset_type)                                                        \
    ssize_t name(int fd, const void *data, size_t n, offset_type at) {                    \
        static ssize_t (*real)(int, const void *, size_t, offset_type);                   \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                        \
        HALVED(fd_below(fd), n, real(fd, data, n / 2, at),                                \
               real(fd, (const char *)data + n / 2, n - n / 2, at + n / 2),               \
               real(fd, data, n, at));                                                    \
    }

PWRITES(pwrite, off_t)
PWRITES(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real) real = dlsym(RTLD_NEXT, "writev");
    GUARDED(ssize_t, fd_below(fd), real(fd, parts, count));
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t n) {
    static ssize_t (*real)(int, int, off64_t *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "sendfile64");
    GUARDED(ssize_t, fd_below(to), real(to, from, at, n));
}

ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t n, unsigned flags) {
    static ssize_t (*real)(int, off64_t *, int, off64_t *, size_t, unsigned);
    if (!real) real = dlsym(RTLD_NEXT, "copy_file_range");
    GUARDED(ssize_t, fd_below(to), real(from, a, to, b, n, flags));
}

#define TRUNCATES(name, offset_type)                               \
    int name(int fd, offset_type length) {                         \
        static int (*real)(int, offset_type);                      \
        if (!real) real = dlsym(RTLD_NEXT, #name);                 \
        GUARDED(int, fd_below(fd), real(fd, length));              \
    }

TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

#define ONE_PATH(name)                                                   \
    int name(const char *path) {                                         \
        REAL(int, #name);                                                \
        GUARDED(int, at_below(AT_FDCWD, path), real(path));              \
    }

ONE_PATH(unlink)
ONE_PATH(rmdir)
ONE_PATH(remove)

int unlinkat(int fd, const char *path, int flags) {
    REAL(int, "unlinkat");
    GUARDED(int, at_below(fd, path), real(fd, path, flags));
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir");
    GUARDED(int, at_below(AT_FDCWD, path), real(path, mode));
}

int mkdirat(int fd, const char *path, mode_t mode) {
    REAL(int, "mkdirat");
    GUARDED(int, at_below(fd, path), real(fd, path, mode));
}

int rename(const char *from, const char *to) {
    REAL(int, "rename");
    GUARDED(int, at_below(AT_FDCWD, to), real(from, to));
}

int renameat(int a, const char *from, int b, const char *to) {
    REAL(int, "renameat");
    GUARDED(int, at_below(b, to), real(a, from, b, to));
}

int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(int, "renameat2");
    GUARDED(int, at_below(b, to), real(a, from, b, to, flags));
}

int link(const char *from, const char *to) {
    REAL(int, "link");
    GUARDED(int, at_below(AT_FDCWD, to), real(from, to));
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    REAL(int, "linkat");
    GUARDED(int, at_below(b, to), real(a, from, b, to, flags));
}
