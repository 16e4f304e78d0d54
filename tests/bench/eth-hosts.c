/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "basic/string.h"
#include "tests/bench/eth-hosts.h"

#define EXPERIMENTAL_ETHER_TYPE 0x88B5

/* -- programs -- */

static int spawn(const char *const *arguments, const char *variable, const char *value, pid_t *ret) {
        pid_t pid;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                if (variable)
                        (void) setenv(variable, value, 1);
                (void) execvp(arguments[0], (char *const *) (uintptr_t) arguments);
                _exit(127);
        }

        *ret = pid;
        return 0;
}

/* Runs "ip ..." to its end; the arguments are words of format, which has none with blanks in it. */
static int _printf_(1, 2) ip(const char *format, ...) {
        const char *words[32] = { "ip" };
        char line[256], *save = NULL;
        size_t n_words = 1;
        va_list arguments;
        int status, r;
        pid_t pid = 0;

        va_start(arguments, format);
        (void) vsnprintf(line, sizeof(line), format, arguments);
        va_end(arguments);

        for (char *word = strtok_r(line, " ", &save); word && n_words + 1 < ELEMENTSOF(words);
             word = strtok_r(NULL, " ", &save))
                words[n_words++] = word;

        r = spawn(words, NULL, NULL, &pid);
        if (r < 0)
                return r;
        if (waitpid(pid, &status, 0) < 0)
                return -errno;

        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* -- hosts -- */

static int write_layer_file(const EthHosts *hosts) {
        _cleanup_close_ int fd = -1;
        static const char text[] = "[Layer]\nType=eth\n\n[Ethernet]\nInterface=" ETH_HOST_INTERFACE "\n";
        char path[128];

        for (unsigned i = 0; i < 3; i++) {
                static const char *const folders[] = { "etc", "etc/o7s", "etc/o7s/layers" };

                (void) snprintf(path, sizeof(path), "%s/%s", hosts->directory, folders[i]);
                if (mkdir(path, 0755) < 0)
                        return -errno;
        }

        (void) snprintf(path, sizeof(path), "%s/etc/o7s/layers/lan.layer", hosts->directory);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;

        return write(fd, text, sizeof(text) - 1) < 0 ? -errno : 0;
}

static int connect_hosts(EthHosts *hosts) {
        int r;

        r = ip("netns add %s", hosts->left.name);
        if (r < 0)
                return r;

        r = ip("netns add %s", hosts->right.name);
        if (r < 0)
                return r;

        r = ip("link add " ETH_HOST_INTERFACE " netns %s type veth peer name " ETH_HOST_INTERFACE " netns %s",
               hosts->left.name, hosts->right.name);
        if (r < 0)
                return r;

        r = ip("-n %s link set " ETH_HOST_INTERFACE " up", hosts->left.name);
        if (r < 0)
                return r;

        return ip("-n %s link set " ETH_HOST_INTERFACE " up", hosts->right.name);
}

static int host_start(const EthHosts *hosts, EthHost *host, const char *program) {
        char path[108], root[80];
        const char *const arguments[] = { "ip",       "netns",      "exec", host->name, program,
                                          "--no-bus", (char *) root, "lan",  NULL };
        const LayerMessage welcome = { .type = LAYER_WELCOME };
        LayerMessage m;
        int r;

        (void) snprintf(root, sizeof(root), "--root=%s", hosts->directory);
        (void) snprintf(path, sizeof(path), "%s/%s.sock", hosts->directory, host->name);
        r = fake_irm_init(&host->irm, path);
        if (r < 0)
                return r;

        r = spawn(arguments, "O7S_LAYER_SOCKET", path, &host->pid);
        if (r < 0)
                return r;

        r = fake_irm_accept(&host->irm);
        if (r < 0)
                return r;

        do
                r = fake_irm_expect(&host->irm, LAYER_STATE, &m, NULL);
        while (r >= 0 && m.state != LAYER_ONLINE);
        if (r < 0)
                return r;

        return fake_irm_send(&host->irm, &welcome);
}

/* One flow, as the two IRMs would make it. */
static int make_flow(EthHosts *hosts) {
        LayerMessage m = { .type = LAYER_REGISTER, .hash_size = 32, .name = "bench" };
        LayerMessage request = { .type = LAYER_REQUEST, .flow_id = 1, .hash_size = 32, .oap_size = 36,
                                 .lane_class = LANE_BULK, .qos = { .loss = 1, .ber = 1, .timeout_ms = 120000 } };
        LayerMessage accept = { .type = LAYER_ACCEPT, .flow_id = 2, .oap_size = 84, .lane_class = LANE_BULK };
        _cleanup_close_ int left_fd = -1, right_fd = -1;
        const CloseTokens tokens = {};
        int r;

        r = fake_irm_send(&hosts->right.irm, &m);
        if (r < 0)
                return r;

        r = fake_irm_send(&hosts->left.irm, &request);
        if (r < 0)
                return r;

        r = fake_irm_expect(&hosts->right.irm, LAYER_INCOMING, &m, NULL);
        if (r < 0)
                return r;

        accept.reference = m.reference;
        r = fake_irm_send(&hosts->right.irm, &accept);
        if (r < 0)
                return r;

        r = fake_irm_expect(&hosts->right.irm, LAYER_REPLY, &m, &right_fd);
        if (r < 0)
                return r;

        r = fake_irm_establish(&hosts->right.irm, &m, right_fd, LANE_BULK, &tokens, &hosts->right.channel);
        if (r < 0)
                return r;

        r = fake_irm_expect(&hosts->left.irm, LAYER_REPLY, &m, &left_fd);
        if (r < 0)
                return r;

        return fake_irm_establish(&hosts->left.irm, &m, left_fd, LANE_BULK, &tokens, &hosts->left.channel);
}

int eth_hosts_start(EthHosts *hosts, const char *program) {
        int r;

        *hosts = (EthHosts) { .left.irm = { -1, -1, "" }, .right.irm = { -1, -1, "" } };
        (void) snprintf(hosts->left.name, sizeof(hosts->left.name), "o7s-bench-l%d", (int) getpid());
        (void) snprintf(hosts->right.name, sizeof(hosts->right.name), "o7s-bench-r%d", (int) getpid());
        (void) copy_string(hosts->directory, sizeof(hosts->directory), "/tmp/o7s-bench-XXXXXX");
        if (!mkdtemp(hosts->directory))
                return -errno;

        r = write_layer_file(hosts);
        if (r < 0)
                return r;

        r = connect_hosts(hosts);
        if (r < 0)
                return r;

        r = host_start(hosts, &hosts->left, program);
        if (r < 0)
                return r;

        r = host_start(hosts, &hosts->right, program);
        if (r < 0)
                return r;

        return make_flow(hosts);
}

static void host_done(EthHost *host) {
        host->channel = channel_free(host->channel);
        if (host->pid > 0) {
                (void) kill(host->pid, SIGTERM);
                (void) waitpid(host->pid, NULL, 0);
        }
        fake_irm_done(&host->irm);
        (void) ip("netns del %s", host->name);
}

void eth_hosts_done(EthHosts *hosts) {
        static const char *const rest[] = { "/etc/o7s/layers/lan.layer", "/etc/o7s/layers", "/etc/o7s", "/etc", "" };

        host_done(&hosts->left);
        host_done(&hosts->right);

        for (size_t i = 0; i < ELEMENTSOF(rest); i++) {
                char path[128];

                (void) snprintf(path, sizeof(path), "%s%s", hosts->directory, rest[i]);
                (void) remove(path);
        }
}

/* A socket belongs to the namespace that it was made in, so this visits the host's for a moment. */
int eth_host_socket(const EthHost *host) {
        _cleanup_close_ int here = -1, there = -1, fd = -1;
        struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(EXPERIMENTAL_ETHER_TYPE) };
        char path[64];
        int error = 0;

        (void) snprintf(path, sizeof(path), "/run/netns/%s", host->name);
        here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        there = open(path, O_RDONLY | O_CLOEXEC);
        if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
                return -errno;

        fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        address.sll_ifindex = (int) if_nametoindex(ETH_HOST_INTERFACE);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                error = -errno;

        if (setns(here, CLONE_NEWNET) < 0)
                return -errno;

        return error < 0 ? error : TAKE_FD(fd);
}

static double process_cpu(pid_t pid) {
        _cleanup_close_ int fd = -1;
        char path[64], text[128] = {};

        (void) snprintf(path, sizeof(path), "/proc/%d/schedstat", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
                return 0;

        return strtod(text, NULL) / 1e9;
}

double eth_hosts_cpu(const EthHosts *hosts) {
        return process_cpu(hosts->left.pid) + process_cpu(hosts->right.pid);
}
