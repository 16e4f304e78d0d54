/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Errors as a sentence, and the exit status that goes with them. */

#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "apps/common.h"
#include "apps/complain.h"

int signals_to_fd(void) {
        sigset_t signals;
        int fd;

        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGINT);
        (void) sigaddset(&signals, SIGTERM);

        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;

        fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

int exit_status_of(int error) {
        switch (error < 0 ? -error : error) {
        case 0:
                return EXIT_FINE;
        case ENOENT:
        case ENOTCONN:
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTUNREACH:
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
                return EXIT_UNREACHABLE;
        case EPERM:
        case EACCES:
        case EKEYREJECTED:
                return EXIT_DENIED;
        case ETIMEDOUT:
        case EAGAIN:
                return EXIT_TIMEOUT;
        case EHOSTDOWN:
                return EXIT_NOT_RUNNING;
        default:
                return EXIT_FAILED;
        }
}

/* The sentence continues after a colon: no capital, except in words such as "QoS" or "IRM". */
static void print_reason(const char *text) {
        size_t length = strlen(text);

        if (isupper((unsigned char) text[0]) && islower((unsigned char) text[1]) &&
            !isupper((unsigned char) text[2])) {
                (void) fputc(tolower((unsigned char) text[0]), stderr);
                text++;
                length--;
        }

        (void) fputs(text, stderr);
        if (length == 0 || text[length - 1] != '\n')
                (void) fputc('\n', stderr);
}

/* The library's text begins with what failed, "Opening a flow to 'NAME': ", which has been said by then. */
static const char *reason_of(const o7s_error *last) {
        char about[sizeof(last->name) + 5];
        const char *found;

        if (last->name[0] == '\0')
                return last->text;

        (void) snprintf(about, sizeof(about), "'%s': ", last->name);
        found = strstr(last->text, about);
        return found ? found + strlen(about) : last->text;
}

int complain_error(int error, const char *format, ...) {
        o7s_error last = { .size = sizeof(last) };
        va_list arguments;

        va_start(arguments, format);
        (void) vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void) fputs(": ", stderr);

        /* The thread may have failed at something else since: only an account of this very error is of use. */
        if (o7s_last_error(&last) < 0 || last.error != error || last.text[0] == '\0') {
                print_reason(o7s_strerror(error));
                return exit_status_of(error);
        }

        print_reason(reason_of(&last));

        /* About no name and no flow: it was the IRM itself that could not be reached. */
        if ((error == -ENOENT || error == -ECONNREFUSED) && last.name[0] == '\0')
                return EXIT_NOT_RUNNING;

        return exit_status_of(error);
}

int complain_usage(const char *program, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void) fprintf(stderr, "\nSee '%s --help'.\n", program);

        return EXIT_USAGE;
}
