/* Files and folders: read within limits, written whole or not at all, locked. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

static char folder[64];
static arena paths;

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/weft-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    arena_deinit(&paths);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    return path_join(&paths, folder, name);
}

static void expect_file(const char *path, const char *contents)
{
    bytes b;
    weft_error err = {0};
    if (file_read(path, 1 << 20, &b, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    assert_int_equal(b.size, strlen(contents));
    assert_string_equal((const char *)b.data, contents);
    bytes_free(&b);
}

static size_t count_entries(void)
{
    char command[128], line[32];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *f = popen(command, "r");
    assert_non_null(fgets(line, sizeof line, f));
    pclose(f);
    return (size_t)atoi(line);
}

static void files_are_written_whole_and_replaced(void **state)
{
    (void)state;
    const char *path = in_folder("a.txt");
    struct stat st;
    mode_t mask = umask(027);
    assert_false(file_exists(path));
    assert_int_equal(file_write(path, "one", 3, NULL), WEFT_OK);
    stat(path, &st);
    assert_int_equal(st.st_mode & 0777, 0640);
    chmod(path, 0606);
    expect_file(path, "one");
    assert_int_equal(file_write(path, "", 0, NULL), WEFT_OK);
    expect_file(path, "");
    assert_int_equal(file_append(path, "line 1\n", 7, NULL), WEFT_OK);
    assert_int_equal(file_append(path, "line 2\n", 7, NULL), WEFT_OK);
    expect_file(path, "line 1\nline 2\n");
    stat(path, &st);
    assert_int_equal(st.st_mode & 0777, 0606);
    umask(mask);
    assert_true(file_exists(path) && !folder_exists(path));
    assert_int_equal(count_entries(), 1);
}

static void long_names_and_left_over_temporary_files_do_not_matter(void **state)
{
    (void)state;
    char name[256], left[300];
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(file_write(in_folder(name), "x", 1, NULL), WEFT_OK);
    expect_file(in_folder(name), "x");
    snprintf(left, sizeof left, ".b.tmp.%ld", (long)getpid());
    assert_int_equal(file_write(in_folder(left), "left", 4, NULL), WEFT_OK);
    assert_int_equal(file_write(in_folder("b"), "y", 1, NULL), WEFT_OK);
    expect_file(in_folder("b"), "y");
    assert_false(file_exists(in_folder(left)));
    unlink(in_folder(name));
    unlink(in_folder("b"));
}

static void what_is_no_plain_file_is_refused_at_once(void **state)
{
    (void)state;
    bytes b;
    weft_error err = {0};
    const char *pipe_path = in_folder("pipe"), *link = in_folder("link"), *target = in_folder("target");
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(file_write(target, "kept", 4, NULL), WEFT_OK);
    assert_int_equal(symlink("target", link), 0);
    assert_int_equal(file_read(pipe_path, 100, &b, &err), WEFT_BAD_INPUT);
    assert_int_equal(file_read(folder, 100, &b, &err), WEFT_BAD_INPUT);
    assert_int_equal(file_read("/dev/zero", 100, &b, &err), WEFT_BAD_INPUT);
    assert_int_equal(file_read(in_folder("missing"), 100, &b, &err), WEFT_BAD_INPUT);
    assert_int_equal(file_read(target, 3, &b, &err), WEFT_BAD_INPUT);
    assert_null(b.data);
    assert_int_equal(file_write(pipe_path, "x", 1, &err), WEFT_BAD_INPUT);
    assert_int_equal(file_write(link, "x", 1, &err), WEFT_BAD_INPUT);
    assert_int_equal(file_write(folder, "x", 1, &err), WEFT_BAD_INPUT);
    assert_int_equal(file_write("", "x", 1, &err), WEFT_BAD_INPUT);
    assert_int_equal(file_write(in_folder("none/x"), "x", 1, &err), WEFT_IO);
    assert_int_equal(file_append("/dev/full", "x", 1, &err), WEFT_BAD_INPUT);
    assert_int_equal(err.count, 11);
    expect_file(link, "kept");
    unlink(pipe_path);
    unlink(link);
}

static void a_failed_write_keeps_the_old_file_and_leaves_nothing(void **state)
{
    (void)state;
    const char *path = in_folder("big");
    weft_error err = {0};
    struct rlimit before, small;
    assert_int_equal(file_write(path, "old\n", 4, NULL), WEFT_OK);
    size_t entries = count_entries();
    char *data = calloc(1, 100000);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 50000;
    setrlimit(RLIMIT_FSIZE, &small);
    weft_status written = file_write(path, data, 100000, &err), appended = file_append(path, data, 100000, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(written, WEFT_IO);
    assert_int_equal(appended, WEFT_IO);
    assert_non_null(strstr(err.message, "File too large"));
    expect_file(path, "old\n");
    assert_int_equal(count_entries(), entries);
    free(data);
}

static void the_file_before_is_kept_under_another_name(void **state)
{
    (void)state;
    const char *path = in_folder("new"), *before = in_folder("old");
    const size_t entries = count_entries();
    assert_int_equal(file_write_keeping(path, "old", "1", 1, NULL), WEFT_OK);
    assert_false(file_exists(before));
    assert_int_equal(file_write_keeping(path, "old", "2", 1, NULL), WEFT_OK);
    assert_int_equal(file_write_keeping(path, "old", "3", 1, NULL), WEFT_OK);
    expect_file(path, "3");
    expect_file(before, "2");
    assert_int_equal(count_entries(), entries + 2);
    unlink(path);
    unlink(before);
}

static void what_has_other_names_is_not_written_to(void **state)
{
    (void)state;
    weft_error err = {0};
    const char *path = in_folder("one"), *other = in_folder("other"), *link_path = in_folder("link");
    assert_int_equal(file_write(path, "kept", 4, NULL), WEFT_OK);
    assert_int_equal(link(path, other), 0);
    assert_int_equal(symlink("one", link_path), 0);
    assert_int_equal(file_write(path, "x", 1, &err), WEFT_BAD_INPUT);
    assert_int_equal(file_append(path, "x", 1, &err), WEFT_BAD_INPUT);
    assert_non_null(strstr(err.message, "has 2 names"));
    assert_int_equal(file_append(link_path, "x", 1, &err), WEFT_IO);
    expect_file(other, "kept");
    unlink(other);
    unlink(link_path);
    assert_int_equal(file_append(path, "x", 1, &err), WEFT_OK);
    expect_file(path, "keptx");
    unlink(path);
    assert_int_equal(file_append(path, "x", 1, &err), WEFT_IO);
    assert_int_equal(file_sync(path, &err), WEFT_IO);
    assert_false(file_exists(path));
}

/* Of a process that has ended and been waited for. */
static pid_t dead_process(void)
{
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    return child;
}

static void a_locked_folder_is_clean_and_nobody_elses(void **state)
{
    (void)state;
    int lock, second, status;
    weft_error err = {0};
    const char *path = in_folder("held"), *moved = in_folder("moved"), *cases[] = {"held/.a.tmp.%ld", "held/in/.b.c.tmp.%ld", "held/in/deep/.d.tmp.%ld",
                                                                                   "held/a.tmp.%ld", "held/.a.tmp.%ldx", "held/.atmp.%ld"};
    const long numbers[] = {dead_process(), getppid()};
    assert_int_equal(folder_make(in_folder("held/in/deep"), &err), WEFT_OK);
    char name[64];
    for (size_t i = 0; i < COUNT(cases) * COUNT(numbers); i++) {
        snprintf(name, sizeof name, cases[i / 2], numbers[i % 2]);
        assert_int_equal(file_write(in_folder(name), "", 0, &err), WEFT_OK);
    }
    assert_int_equal(folder_lock(path, &lock, &err), WEFT_OK);
    for (size_t i = 0; i < COUNT(cases) * COUNT(numbers); i++) {
        snprintf(name, sizeof name, cases[i / 2], numbers[i % 2]);
        assert_int_equal(file_exists(in_folder(name)), i != 0 && i != 2); /* the dead one's, in the folder and those in it */
    }
    assert_int_equal(folder_lock(path, &second, &err), WEFT_BAD_INPUT);
    assert_int_equal(second, -1);
    assert_int_equal(folder_check_lock(path, lock, &err), WEFT_OK);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(folder_check_lock(path, lock, &err), WEFT_IO);
    assert_int_equal(folder_make(path, &err), WEFT_OK);
    assert_int_equal(folder_check_lock(path, lock, &err), WEFT_IO);
    assert_non_null(strstr(err.message, "is another folder than at the beginning"));
    close(lock);
    const pid_t holder = fork();
    if (holder == 0)
        _exit(folder_lock(moved, &lock, NULL) == WEFT_OK ? 7 : 0);
    waitpid(holder, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(folder_lock(moved, &lock, &err), WEFT_OK); /* it died with the process */
    close(lock);
    assert_int_equal(folder_lock(in_folder("nowhere"), &lock, &err), WEFT_IO);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    weft_error err = {0};
    assert_int_equal(folder_make(in_folder("p/q//r/"), &err), WEFT_OK);
    assert_int_equal(folder_make(in_folder("p/q/r"), &err), WEFT_OK);
    assert_true(folder_exists(in_folder("p/q/r")));
    assert_int_equal(file_write(in_folder("p/file"), "", 0, &err), WEFT_OK);
    assert_int_equal(folder_make(in_folder("p/file"), &err), WEFT_BAD_INPUT);
    assert_int_equal(folder_make(in_folder("p/file/x"), &err), WEFT_BAD_INPUT);
    assert_int_equal(folder_make("", &err), WEFT_BAD_INPUT);
    assert_string_equal(path_join(&paths, "a", "b"), "a/b");
    assert_string_equal(path_join(&paths, "a/", "b"), "a/b");
    assert_string_equal(path_join(&paths, "", "b"), "b");
    assert_string_equal(path_join(&paths, "a", "/b"), "/b");
}

static void sha256_gives_the_published_answer(void **state)
{
    (void)state;
    char hex[65];
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_written_whole_and_replaced),
        cmocka_unit_test(long_names_and_left_over_temporary_files_do_not_matter),
        cmocka_unit_test(what_is_no_plain_file_is_refused_at_once),
        cmocka_unit_test(a_failed_write_keeps_the_old_file_and_leaves_nothing),
        cmocka_unit_test(the_file_before_is_kept_under_another_name),
        cmocka_unit_test(what_has_other_names_is_not_written_to),
        cmocka_unit_test(a_locked_folder_is_clean_and_nobody_elses),
        cmocka_unit_test(folders_are_made_with_their_parents),
        cmocka_unit_test(sha256_gives_the_published_answer),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
