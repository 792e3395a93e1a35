// Kills the process that it is preloaded into (LD_PRELOAD) at a chosen call, so that a test can see what survives.
//
//   TUTTI_KILL_AT   KIND:COUNT:SIDE:WORDS. At the COUNT-th call of KIND whose path holds WORDS (which may be empty) the
//                   process ends by SIGKILL: before the call, or after it (SIDE).
//   TUTTI_KILL_LOG  a file to which every call of these kinds is appended: "KIND PATH"
//
// Kinds: sync (fsync, fdatasync), rename (its path is that of the target), mkdir, unlink, send (sendmsg; its path is
// what the descriptor is called, "socket:[1234]").
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kKindLength = 15, kSideLength = 7, kLineLength = PATH_MAX + 32 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char wanted_kind[kKindLength + 1];
static char wanted_side[kSideLength + 1];
static char wanted_words[PATH_MAX];
static int wanted_count = 0;  // 0: nothing is wanted
static int seen = 0;
static int log_file = -1;

static void ReadWishes(void) {
  const char* at = getenv("TUTTI_KILL_AT");
  if (at != NULL && sscanf(at, "%15[^:]:%d:%7[^:]:%4095s", wanted_kind, &wanted_count, wanted_side, wanted_words) < 3) {
    fprintf(stderr, "kill_at: TUTTI_KILL_AT=%s is not KIND:COUNT:SIDE:WORDS\n", at);
    abort();
  }
  const char* log = getenv("TUTTI_KILL_LOG");
  if (log != NULL) log_file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void Log(const char* kind, const char* path) {
  char line[kLineLength];
  const int length = snprintf(line, sizeof(line), "%s %s\n", kind, path);
  if (write(log_file, line, (size_t)length) != length) abort();
}

// Whether this call is the one. None is that comes before the C library has the environment: by then a sanitizer's
// runtime makes the folder of its log.
static int Reach(const char* kind, const char* path) {
  if (environ == NULL) return 0;
  pthread_once(&once, ReadWishes);
  if (log_file >= 0) Log(kind, path);
  if (wanted_count == 0 || strcmp(kind, wanted_kind) != 0 || strstr(path, wanted_words) == NULL) return 0;
  pthread_mutex_lock(&mutex);
  const int reached = ++seen == wanted_count;
  pthread_mutex_unlock(&mutex);
  if (reached && strcmp(wanted_side, "before") == 0) raise(SIGKILL);
  return reached;
}

static void Leave(int reached) {
  if (reached) raise(SIGKILL);
}

static void PathOf(int descriptor, char* path) {
  char link[64];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, PATH_MAX - 1);
  path[length > 0 ? length : 0] = '\0';
}

// The C library's own. What dlsym gives is no function to ISO C.
#define REAL(function) \
  static __typeof__(&function) real = NULL; \
  if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, #function)

#define SYNC(function) \
  int function(int descriptor) { \
    REAL(function); \
    char path[PATH_MAX]; \
    PathOf(descriptor, path); \
    const int reached = Reach("sync", path); \
    const int result = real(descriptor); \
    Leave(reached); \
    return result; \
  }

SYNC(fsync)
SYNC(fdatasync)

int rename(const char* from, const char* to) {
  REAL(rename);
  const int reached = Reach("rename", to);
  const int result = real(from, to);
  Leave(reached);
  return result;
}

int mkdir(const char* path, mode_t mode) {
  REAL(mkdir);
  const int reached = Reach("mkdir", path);
  const int result = real(path, mode);
  Leave(reached);
  return result;
}

int unlink(const char* path) {
  REAL(unlink);
  const int reached = Reach("unlink", path);
  const int result = real(path);
  Leave(reached);
  return result;
}

ssize_t sendmsg(int descriptor, const struct msghdr* message, int flags) {
  REAL(sendmsg);
  char path[PATH_MAX];
  PathOf(descriptor, path);
  const int reached = Reach("send", path);
  const ssize_t result = real(descriptor, message, flags);
  Leave(reached);
  return result;
}
