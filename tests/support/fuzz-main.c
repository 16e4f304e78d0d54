/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stands in for libFuzzer: runs a fuzzer over every file of the directories named on the command line.
 * A corpus that is missing or empty is a failure, so that a test cannot pass without having run.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "basic/macro.h"

#define INPUT_BYTES_MAX (1024U * 1024U)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(int directory_fd, const char *name) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ uint8_t *data = NULL, *exact = NULL;
        size_t size = 0;
        ssize_t n;

        fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
        data = malloc(INPUT_BYTES_MAX);
        if (fd < 0 || !data)
                return -errno;

        while (size < INPUT_BYTES_MAX && (n = read(fd, data + size, INPUT_BYTES_MAX - size)) > 0)
                size += (size_t) n;

        /* An allocation of just this size lets the sanitizer see a read of the first byte behind it. */
        exact = malloc(size > 0 ? size : 1);
        if (!exact)
                return -ENOMEM;
        memcpy(exact, data, size);

        return LLVMFuzzerTestOneInput(exact, size);
}

int main(int argc, char *argv[]) {
        unsigned n_files = 0;

        for (int i = 1; i < argc; i++) {
                DIR *directory = opendir(argv[i]);
                struct dirent *entry;

                if (!directory) {
                        fprintf(stderr, "%s: %m\n", argv[i]);
                        return EXIT_FAILURE;
                }

                while ((entry = readdir(directory)))
                        if (entry->d_name[0] != '.') {
                                (void) run_file(dirfd(directory), entry->d_name);
                                n_files++;
                        }

                (void) closedir(directory);
        }

        printf("%u inputs\n", n_files);
        return n_files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
