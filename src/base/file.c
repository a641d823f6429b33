#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sha2.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static weft_status refuse(weft_error *err, const char *path, const char *why)
{
    return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "%s", why);
}

static weft_status check_regular(const struct stat *st, const char *path, weft_error *err)
{
    if (S_ISDIR(st->st_mode))
        return refuse(err, path, "is a directory, not a file");
    return S_ISREG(st->st_mode) ? WEFT_OK : refuse(err, path, "is not a regular file");
}

/* ---- Reading ---- */

static weft_status read_all(int fd, const char *path, size_t limit, bytes *out, weft_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_errno(err, path, "cannot read");
    TRY(check_regular(&st, path, err));
    size_t size = (size_t)st.st_size;
    if (size > limit || size > SIZE_MAX / 2)
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "has %zu bytes, more than the limit of %zu", size,
                    limit);
    *out = (bytes){malloc(size + 1), size};
    if (out->data == NULL)
        return fail_memory(err);
    out->data[size] = 0;
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, out->data + done, size - done);
        if (n == 0)
            return fail(err, WEFT_IO, (where){.file = path}, "became shorter while it was read");
        if (n < 0 && errno != EINTR)
            return fail_errno(err, path, "cannot read");
        done += n > 0 ? (size_t)n : 0;
    }
    return WEFT_OK;
}

static bool leads_nowhere(int error)
{
    static const int users[] = {ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG, ENXIO /* a socket */};
    size_t i = 0;
    while (i < COUNT(users) && error != users[i])
        i++;
    return i < COUNT(users);
}

/* A name that leads nowhere is the user's mistake; other failures are the system's. */
static weft_status fail_to_open(const char *path, weft_error *err)
{
    if (leads_nowhere(errno))
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "cannot open: %m");
    return fail_errno(err, path, "cannot open");
}

weft_status file_read(const char *path, size_t limit, bytes *out, weft_error *err)
{
    *out = (bytes){0};
    /* O_NONBLOCK: a pipe without a writer must not keep us waiting before we can refuse it. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail_to_open(path, err);
    weft_status status = read_all(fd, path, limit, out, err);
    close(fd);
    if (status != WEFT_OK)
        bytes_free(out);
    return status;
}

static weft_status read_to_end(int fd, const char *name, size_t limit, bytes *out, weft_error *err)
{
    for (size_t room = 0;;) {
        if (room == out->size) {
            room = room ? 2 * room : (size_t)1 << 16;
            unsigned char *larger = realloc(out->data, room + 1);
            if (!larger)
                return fail_memory(err);
            out->data = larger;
        }
        const ssize_t n = read(fd, out->data + out->size, room - out->size);
        if (n < 0 && errno != EINTR)
            return fail_errno(err, name, "cannot read");
        out->size += n > 0 ? (size_t)n : 0;
        out->data[out->size] = 0;
        if (n == 0)
            return WEFT_OK;
        if (out->size > limit)
            return fail(err, WEFT_BAD_INPUT, (where){.file = name}, "has more bytes than the limit of %zu", limit);
    }
}

weft_status stream_read(int fd, const char *name, size_t limit, bytes *out, weft_error *err)
{
    *out = (bytes){0};
    const weft_status status = read_to_end(fd, name, limit, out, err);
    if (status != WEFT_OK)
        bytes_free(out);
    return status;
}

void bytes_free(bytes *b)
{
    free(b->data);
    *b = (bytes){0};
}

/* ---- Writing ---- */

/* One that is written to must be a plain file that nobody else calls his own. */
static weft_status check_written(const struct stat *st, const char *path, weft_error *err)
{
    TRY(check_regular(st, path, err));
    return st->st_nlink < 2 ? WEFT_OK : fail(err, WEFT_BAD_INPUT, (where){.file = path}, "has %llu names (hard links), and under the others it would "
                                             "change, too, or stay behind; copy it to a file of its own", (unsigned long long)st->st_nlink);
}

static bool write_all(int fd, const unsigned char *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        if (n < 0 && errno != EINTR)
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Where a signal comes in between, the file is closed all the same: Linux lets go of it first. */
static bool close_file(int fd) { return close(fd) == 0 || errno == EINTR; }

/* Finds out that a disk is full before anything is written, where the file system can tell. */
static bool set_aside(int fd, size_t size)
{
    int result = 0;
    do
        result = size > 0 ? fallocate(fd, 0, 0, (off_t)size) : 0;
    while (result != 0 && errno == EINTR);
    return result == 0 || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS;
}

/* A path cut into the folder that holds it and the name in there. */
typedef struct place {
    const char *path;
    char folder[PATH_MAX];
    const char *name;
    char temporary[NAME_MAX + 1];
    int folder_fd;
    bool replaces; /* a file that is there already, */
    mode_t mode;   /* whose permissions these are; those of a new file before the process's mask, otherwise */
} place;

static weft_status place_open(place *p, const char *path, weft_error *err)
{
    const char *slash = strrchr(path, '/');
    p->path = path;
    p->replaces = false;
    p->mode = 0666;
    p->name = slash ? slash + 1 : path;
    size_t length = slash ? MAX((size_t)(slash - path), 1) : 0;
    if (length >= sizeof p->folder || strlen(p->name) > NAME_MAX) {
        errno = ENAMETOOLONG;
        return fail_errno(err, path, "cannot write");
    }
    if (*p->name == '\0')
        return refuse(err, path, "is not the name of a file");
    memcpy(p->folder, slash ? path : ".", slash ? length : 1);
    p->folder[MAX(length, 1)] = '\0';
    /* A very long name is shortened, so that the temporary one has room. */
    snprintf(p->temporary, sizeof p->temporary, ".%.200s.tmp.%ld", p->name, (long)getpid());
    p->folder_fd = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return p->folder_fd < 0 ? fail_errno(err, p->folder, "cannot open the folder") : WEFT_OK;
}

/* What stands there already must be a plain file; its permissions are kept. */
static weft_status check_target(place *p, weft_error *err)
{
    struct stat st;
    if (fstatat(p->folder_fd, p->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? WEFT_OK : fail_errno(err, p->path, "cannot write");
    if (S_ISLNK(st.st_mode))
        return refuse(err, p->path, "is a symbolic link, which replacing would destroy; name the file it points to");
    p->replaces = true;
    p->mode = st.st_mode & 0777;
    return check_written(&st, p->path, err);
}

static int temporary_create(const place *p)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(p->folder_fd, p->temporary, flags, p->mode);
    /* One that carries our own number was left by a process that died with it. */
    if (fd < 0 && errno == EEXIST && unlinkat(p->folder_fd, p->temporary, 0) == 0)
        fd = openat(p->folder_fd, p->temporary, flags, p->mode);
    return fd;
}

/* Fills the temporary file and closes it. A failed fsync is not tried again: the kernel may have dropped the pages, and
 * a second call would succeed without them. */
static weft_status temporary_fill(const place *p, int fd, const void *data, size_t size, weft_error *err)
{
    weft_status status = WEFT_OK;
    if (!set_aside(fd, size) || !write_all(fd, data, size))
        status = fail_errno(err, p->path, "cannot write");
    else if (fsync(fd) != 0)
        status = fail_errno(err, p->path, "cannot write to the disk");
    /* Where the mask took away permissions that the old file had. Without them the new one is only more private. */
    if (p->replaces)
        fchmod(fd, p->mode);
    if (!close_file(fd) && status == WEFT_OK)
        status = fail_errno(err, p->path, "cannot close");
    return status;
}

/* Gives the temporary file its name. In between the old one has another, and whoever looks for it must look there, too. */
static weft_status take_place(const place *p, const char *previous, weft_error *err)
{
    if (previous && renameat(p->folder_fd, p->name, p->folder_fd, previous) != 0 && errno != ENOENT)
        return fail_errno(err, p->path, "cannot keep the one before");
    if (renameat(p->folder_fd, p->temporary, p->folder_fd, p->name) != 0)
        return fail_errno(err, p->path, "cannot replace");
    if (fsync(p->folder_fd) != 0 && errno != EINVAL) /* EINVAL: a file system without it */
        return fail_errno(err, p->folder, "cannot write the folder to the disk");
    return WEFT_OK;
}

weft_status file_write_keeping(const char *path, const char *previous, const void *data, size_t size, weft_error *err)
{
    place p;
    TRY(place_open(&p, path, err));
    weft_status status = check_target(&p, err);
    if (status != WEFT_OK)
        goto done;
    int fd = temporary_create(&p);
    if (fd < 0) {
        status = fail_errno(err, path, "cannot create a temporary file beside it");
        goto done;
    }
    status = temporary_fill(&p, fd, data, size, err);
    if (status == WEFT_OK)
        status = take_place(&p, previous, err);
    if (status != WEFT_OK)
        unlinkat(p.folder_fd, p.temporary, 0);
done:
    close(p.folder_fd);
    return status;
}

weft_status file_write(const char *path, const void *data, size_t size, weft_error *err)
{
    return file_write_keeping(path, NULL, data, size, err);
}

static weft_status open_to_append(const char *path, int *fd, struct stat *st, weft_error *err)
{
    *fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0)
        return fail_errno(err, path, "cannot open");
    const weft_status status = fstat(*fd, st) != 0 ? fail_errno(err, path, "cannot append") : check_written(st, path, err);
    if (status != WEFT_OK)
        close(*fd);
    return status;
}

weft_status file_append(const char *path, const void *data, size_t size, weft_error *err)
{
    int fd;
    struct stat st;
    weft_status status = WEFT_OK;
    TRY(open_to_append(path, &fd, &st, err));
    if (!write_all(fd, data, size))
        status = fail_errno(err, path, "cannot append");
    if (!close_file(fd) && status == WEFT_OK)
        status = fail_errno(err, path, "cannot close");
    /* Half a line would spoil the next one as well, and a whole one would stand there twice when it is tried again. */
    if (status != WEFT_OK && truncate(path, st.st_size) != 0)
        fail_errno(err, path, "cannot take back what was appended");
    return status;
}

weft_status file_sync(const char *path, weft_error *err)
{
    int fd;
    struct stat st;
    TRY(open_to_append(path, &fd, &st, err));
    const weft_status status = fsync(fd) != 0 ? fail_errno(err, path, "cannot write to the disk") : WEFT_OK;
    close(fd); /* nothing was written through it */
    return status;
}

/* ---- Folders and paths ---- */

/* Where the system cannot tell, the answer is yes: nothing is taken for free to be written over, and whoever opens it hears why. */
static bool has_kind(const char *path, mode_t kind)
{
    struct stat st;
    return stat(path, &st) == 0 ? (st.st_mode & S_IFMT) == kind : !leads_nowhere(errno);
}

bool file_exists(const char *path)
{
    return has_kind(path, S_IFREG);
}

bool folder_exists(const char *path)
{
    return has_kind(path, S_IFDIR);
}

weft_status folder_make(const char *path, weft_error *err)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof part)
        return refuse(err, path, "is too long a path");
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (folder_exists(part) || mkdir(part, 0777) == 0)
            continue;
        /* Another process may have made it in between. */
        int error = errno;
        if (folder_exists(part))
            continue;
        if (error == EEXIST)
            return refuse(err, part, "exists and is not a folder");
        errno = error;
        return fail_errno(err, part, "cannot make the folder");
    }
    return length > 0 ? WEFT_OK : refuse(err, path, "an empty path names no folder");
}

/* The number of the process whose temporary file has this name; 0: it is no temporary file. */
static pid_t temporary_owner(const char *name)
{
    static const char tag[] = ".tmp.";
    uint64_t number;
    const char *last = strrchr(name, '.');
    const bool tagged = name[0] == '.' && last && last - name >= (ptrdiff_t)sizeof tag - 2 &&
                        strncmp(last - sizeof tag + 2, tag, sizeof tag - 1) == 0;
    return tagged && parse_u64(last + 1, &number) && number <= INT32_MAX ? (pid_t)number : 0;
}

static bool is_dead(pid_t owner) { return kill(owner, 0) != 0 && errno == ESRCH; }

/* Of a folder and those in it; takes the descriptor. One that cannot be removed does no harm. */
static void remove_temporaries(int fd, bool deeper)
{
    DIR *folder = fdopendir(fd);
    if (!folder) {
        close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const pid_t owner = temporary_owner(entry->d_name);
        if (owner && is_dead(owner))
            unlinkat(fd, entry->d_name, 0);
        const int inner = deeper && entry->d_name[0] != '.' ? openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (inner >= 0)
            remove_temporaries(inner, false);
    }
    closedir(folder);
}

weft_status folder_lock(const char *path, int *lock, weft_error *err)
{
    *lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return fail_errno(err, path, "cannot open the folder");
    /* A file system that knows no locks keeps nobody out. */
    if (flock(*lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(*lock);
        *lock = -1;
        return refuse(err, path, "another weft is at work in this folder; wait for it, or choose another folder with -o");
    }
    const int all = openat(*lock, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (all >= 0)
        remove_temporaries(all, true);
    return WEFT_OK;
}

weft_status folder_check_lock(const char *path, int lock, weft_error *err)
{
    struct stat locked, there;
    if (fstat(lock, &locked) != 0 || stat(path, &there) != 0)
        return fail_errno(err, path, "cannot open the folder");
    if (locked.st_dev == there.st_dev && locked.st_ino == there.st_ino)
        return WEFT_OK;
    return fail(err, WEFT_IO, (where){.file = path}, "is another folder than at the beginning; nothing is written into it");
}

char *path_join(arena *a, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    bool bare = length == 0 || folder[length - 1] == '/' || name[0] == '/';
    return arena_printf(a, "%s%s%s", name[0] == '/' ? "" : folder, bare ? "" : "/", name);
}

void sha256_hex(const void *data, size_t size, char hex[65])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA2_CTX context;
    SHA256Init(&context);
    SHA256Update(&context, data, size);
    SHA256Final(digest, &context);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
