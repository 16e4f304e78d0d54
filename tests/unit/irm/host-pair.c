/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two hosts, see host-pair.h. */

#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "tests/unit/irm/host-pair.h"

/* -- hosts -- */

static int bind_socket(const PairedHost *host, const char *name) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", host->irm.directory, name);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 16), 0);
        return fd;
}

/* As systemd starts it, but that it answers the user of this test. */
static void start_child(const PairedHost *host, const char *program, const char *name, const char *argument,
                        HostChild *child) {
        const struct passwd *user = getpwuid(geteuid());
        char option[128], pid[16];
        sigset_t signals;

        assert_non_null(user);
        (void) snprintf(option, sizeof(option), "--user=%s", user->pw_name);
        child->fd = bind_socket(host, name);
        child->pid = fork();
        assert_true(child->pid >= 0);
        if (child->pid > 0)
                return;

        /* One that is stopped before it has begun takes the signal then. */
        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &signals, NULL);
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);      /* a test that fails leaves nobody behind */
        (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
        (void) setenv("LISTEN_FDS", "1", 1);
        (void) setenv("LISTEN_PID", pid, 1);
        (void) setenv("LISTEN_FDNAMES", name, 1);
        if (child->fd == 3)
                (void) fcntl(3, F_SETFD, 0);
        else
                (void) dup2(child->fd, 3);
        execl(program, program, option, argument, (char *) NULL);
        _exit(127);
}

static void stop_child(HostChild *child) {
        int status;

        assert_int_equal(kill(child->pid, SIGTERM), 0);
        assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        (void) close(child->fd);
}

/* -- certificates -- */

void host_pair_issue(TestIdentity *identity, const char *name, const TestIdentity *issuer) {
        const TestIdentity *signer = issuer ? issuer : identity;

        assert_int_equal(test_identity_init(identity, TEST_KEY_P256, name, issuer, false), 0);
        assert_int_equal(gnutls_x509_crt_set_activation_time(identity->crt, time(NULL) - 3600), 0);
        assert_int_equal(gnutls_x509_crt_set_expiration_time(identity->crt, time(NULL) + 86400), 0);
        assert_int_equal(gnutls_x509_crt_sign2(identity->crt, signer->crt, signer->x509_key, GNUTLS_DIG_SHA256, 0), 0);
}

static void write_certificate(PairedHost *host, const char *path, const TestIdentity *identity) {
        gnutls_datum_t pem;

        assert_int_equal(gnutls_x509_crt_export2(identity->crt, GNUTLS_X509_FMT_PEM, &pem), 0);
        fixture_write(&host->irm, path, (const char *) pem.data);
        gnutls_free(pem.data);
}

static void write_key(PairedHost *host, const char *path, const TestIdentity *identity) {
        gnutls_datum_t pem;
        char whole[256];

        assert_int_equal(gnutls_x509_privkey_export2_pkcs8(identity->x509_key, GNUTLS_X509_FMT_PEM, NULL,
                                                           GNUTLS_PKCS_PLAIN, &pem),
                         0);
        fixture_write(&host->irm, path, (const char *) pem.data);
        gnutls_free(pem.data);
        (void) snprintf(whole, sizeof(whole), "%s/etc/o7s/%s", host->irm.directory, path);
        assert_int_equal(chmod(whole, 0400), 0);
}

static void write_security(PairedHost *host, const char *side, const HostSetup *setup) {
        char path[128];

        if (setup->trusts)
                write_certificate(host, "security/cacert/ca.pem", setup->trusts);
        if (!setup->shows)
                return;

        (void) snprintf(path, sizeof(path), "security/%s/web.example/crt.pem", side);
        write_certificate(host, path, setup->shows);
        (void) snprintf(path, sizeof(path), "security/%s/web.example/key.pem", side);
        write_key(host, path, setup->shows);
}

/* -- both of them -- */

static void start_host(PairedHost *host, const HostPrograms *programs, const char *name_file, const char *side,
                       const HostSetup *setup) {
        char root[128];

        fixture_start(&host->irm, programs->irm);
        fixture_write(&host->irm, "names/web.example.name", name_file);
        write_security(host, side, setup);
        (void) snprintf(root, sizeof(root), "--root=%s", host->irm.directory);
        start_child(host, programs->auth, "auth", root, &host->auth);
        start_child(host, programs->keyd, "keyd", NULL, &host->keyd);
        fixture_run(&host->irm);
        host->layer = fixture_connect_layer(&host->irm);
        layer_come_online(host->layer, "lan");
}

static void stop_host(PairedHost *host) {
        (void) close(host->layer);
        stop_child(&host->auth);
        stop_child(&host->keyd);
        fixture_stop(&host->irm);
}

void host_pair_start(HostPair *pair, const HostPrograms *programs, const HostSetup *client, const HostSetup *server) {
        IrmMessage message = { .type = IRM_LISTEN, .version = IRM_PROTOCOL_VERSION, .info.name = "web.example" };
        LayerMessage registration;
        char text[512];

        *pair = (HostPair) {};
        (void) snprintf(text, sizeof(text), "[Name]\nLocal=no\n[Client]\n%s", client->policy);
        start_host(&pair->asking, programs, text, "client", client);
        (void) snprintf(text, sizeof(text), "[Name]\nLayer=lan\n[Bind]\nUser=%u\n[Server]\n%s", geteuid(),
                        server->policy);
        start_host(&pair->asked, programs, text, "server", server);
        layer_hear(pair->asked.layer, LAYER_REGISTER, &registration, NULL);

        pair->listener = fixture_connect_client();      /* of the host that was started last */
        assert_int_equal(irm_message_send(pair->listener, &message, NULL, 0), 0);
        fixture_client_hear(pair->listener, IRM_REPLY, &message, NULL);
        assert_int_equal(message.result, 0);
}

void host_pair_stop(HostPair *pair) {
        (void) close(pair->listener);
        stop_host(&pair->asking);
        stop_host(&pair->asked);
}
