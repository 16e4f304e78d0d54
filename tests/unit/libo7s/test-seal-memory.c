/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Memory for keys: what the kernel says of it, and what a forked child and the next owner find in it. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "libo7s/seal-memory.h"

/* What smaps says of the mapping with this address, e.g. " rd wr dd lo ". */
static void flags_of(const void *memory, char *ret, size_t size) {
        char line[512];
        bool inside = false;
        FILE *f;

        ret[0] = '\0';
        f = fopen("/proc/self/smaps", "re");
        assert_non_null(f);

        while (fgets(line, sizeof(line), f)) {
                unsigned long begin, end;

                if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
                        inside = (uintptr_t) memory >= begin && (uintptr_t) memory < end;
                else if (inside && strncmp(line, "VmFlags:", 8) == 0)
                        (void) snprintf(ret, size, "%s", line + 8);
        }

        (void) fclose(f);
}

/* Sanitizers ignore mlock(), and there may be a limit of 0. */
static bool can_lock(void) {
        char flags[512];
        void *page;

        page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(page != MAP_FAILED);
        (void) mlock(page, 4096);
        flags_of(page, flags, sizeof(flags));
        (void) munmap(page, 4096);
        return strstr(flags, " lo ") != NULL;
}

static void test_flags(void **state) {
        char flags[512];
        void *memory;

        (void) state;
        assert_int_equal(seal_memory_new(100, &memory), 0);
        flags_of(memory, flags, sizeof(flags));
        assert_non_null(strstr(flags, " dd "));                 /* not dumped */
        assert_non_null(strstr(flags, " wf "));                 /* wiped on fork */
        assert_int_equal(strstr(flags, " lo ") != NULL, can_lock());

        assert_null(seal_memory_free(memory, 100));
        assert_null(seal_memory_free(NULL, 100));
}

static const size_t sizes[] = { 1, 4095, 4096, 4097, 100000 };

static void test_contents(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                uint8_t *memory;

                assert_int_equal(seal_memory_new(sizes[i], (void **) &memory), 0);
                for (size_t k = 0; k < sizes[i]; k++)
                        assert_int_equal(memory[k], 0);
                memset(memory, 0x5a, sizes[i]);
                seal_memory_free(memory, sizes[i]);
        }
}

/* Touches the byte in a child. Returns the signal that ended it, or its status. */
static int touched(const volatile uint8_t *byte) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) signal(SIGSEGV, SIG_DFL);
                (void) signal(SIGBUS, SIG_DFL);
                _exit(*byte);
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_neighbours_and_children(void **state) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);
        uint8_t *memory;

        (void) state;
        assert_int_equal(seal_memory_new(page, (void **) &memory), 0);
        memset(memory, 0x5a, page);

        /* Sanitizers turn the signal into a status of their own. */
        assert_int_equal(touched(memory), 0);
        assert_true(touched(memory - 1) != 0);
        assert_true(touched(memory + page) != 0);
        assert_int_equal(memory[page - 1], 0x5a);
        seal_memory_free(memory, page);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flags),
                cmocka_unit_test(test_contents),
                cmocka_unit_test(test_neighbours_and_children),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
