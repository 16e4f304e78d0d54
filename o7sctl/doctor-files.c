/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files on this host: certificates, keys and anchors (who owns them, who can read and change them, whether they are
 * what they should be and for how long), and the configuration of names and layers.
 */

#include <dirent.h>
#include <pwd.h>
#include <grp.h>
#include <sys/stat.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/ca-store.h"
#include "o7sctl/doctor.h"
#include "o7sctl/file.h"
#include "o7sctl/install.h"
#include "services/common/layer-file.h"
#include "services/common/name-file.h"

/* -- owners and modes -- */

/* Whoever may write there decides whom this host believes. Images below --root= belong to whoever makes them. */
static bool check_place(Doctor *d, const char *path, const struct stat *st) {
        _cleanup_free_ char *mend = NULL;
        bool foreign = st->st_uid != 0 && !(d->ctl->options.root[0] != '\0' && st->st_uid == geteuid());

        if (!foreign && !(st->st_mode & 022))
                return true;

        if (format_string(&mend, "chown root %s && chmod go-w %s", path, path) >= 0)
                doctor_add(d, FINDING_PROBLEM, path, mend,
                           "can be changed by others than root: whoever may write it decides whom this host believes");
        return false;
}

/* Everybody may read certificates, o7s-auth has to. */
static bool check_readable(Doctor *d, const char *path, const struct stat *st) {
        _cleanup_free_ char *mend = NULL;
        mode_t needed = S_ISDIR(st->st_mode) ? 0005 : 0004;

        if ((st->st_mode & needed) == needed)
                return true;

        if (format_string(&mend, "chmod %s %s", S_ISDIR(st->st_mode) ? "755" : "644", path) >= 0)
                doctor_add(d, FINDING_PROBLEM, path, mend, "cannot be read by o7s-auth: what depends on it fails");
        return false;
}

/* A private key is o7s-keyd's alone: its own, or root's with its group. */
static bool check_key_owner(Doctor *d, const char *path, const struct stat *st) {
        const struct passwd *user = getpwnam(KEYD_USER);
        const struct group *group = getgrnam(KEYD_USER);
        _cleanup_free_ char *mend = NULL;

        if (!(st->st_mode & 077) && (!user || (d->ctl->options.root[0] != '\0' && st->st_uid == geteuid()))) {
                doctor_add(d, FINDING_NOTE, path, "chown " KEYD_USER ": where o7s is installed",
                           "has still to be given to the user " KEYD_USER);
                return true;
        }
        if (user && st->st_uid == user->pw_uid && (st->st_mode & 07377) == 0 && (st->st_mode & 0400))
                return true;
        if (st->st_uid == 0 && group && st->st_gid == group->gr_gid && (st->st_mode & 07777) == 0440)
                return true;

        if (format_string(&mend, "chown " KEYD_USER ": %s && chmod 400 %s", path, path) >= 0)
                doctor_add(d, FINDING_PROBLEM, path, mend,
                           st->st_mode & 077 ? "is a private key that others can read, or change: o7s-keyd refuses it"
                                             : "is a private key that does not belong to " KEYD_USER
                                               ", which refuses it");
        return false;
}

/* -- certificates -- */

static const char *certificate_problem(int r) {
        return r == -EBADMSG                   ? "is no certificate in PEM, or holds something else besides"
               : r == -E2BIG || r == -EFBIG    ? "is larger than certificates are"
               : r == -EINVAL                  ? "is no file"
                                               : strerror(-r);
}

/* All certificates of a file. authority: they have to be those of one. */
static bool check_certificates(Doctor *d, const char *path, bool authority, const char *renew, char **ret_pem) {
        _cleanup_free_ CaCertificate *all = NULL;
        _cleanup_free_ char *pem = NULL;
        struct stat st;
        size_t size = 0;
        int n;

        n = stat(path, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
        if (n < 0) {
                doctor_add(d, FINDING_PROBLEM, path, "replace or remove it", "%s", certificate_problem(n));
                return false;
        }
        if (!check_place(d, path, &st) || !check_readable(d, path, &st))
                return false;

        n = file_read(path, CA_PEM_BYTES_MAX, &pem, &size);
        if (n >= 0)
                n = ca_read_certificates(pem, size, &all);
        if (n < 0) {
                doctor_add(d, FINDING_PROBLEM, path, "replace or remove it", "%s", certificate_problem(n));
                return false;
        }

        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *text = NULL;

                if (authority && !all[i].authority)
                        doctor_add(d, FINDING_PROBLEM, path, "remove it; to trust one name only, pin it",
                                   "holds a certificate of '%s', who is no authority", all[i].subject);
                else if (all[i].from_sec > d->now_sec)
                        doctor_add(d, FINDING_PROBLEM, path, "set the clock", "is not valid yet");
                else if (format_string(&text, "%s '%s'", authority ? "trusts" : "proves", all[i].subject) >= 0)
                        doctor_add_expiring(d, path, text, all[i].expiry_sec, renew);
        }

        if (ret_pem)
                *ret_pem = TAKE_PTR(pem);
        return true;
}

/* -- the directories -- */

static void check_pair(Doctor *d, const char *directory, const char *name, bool client) {
        _cleanup_free_ char *certificate = NULL, *key = NULL, *renew = NULL;
        _cleanup_(ca_pair_done) CaPair pair = {};
        bool have_certificate, have_key;
        struct stat st;

        if (format_string(&certificate, "%s/crt.pem", directory) < 0 ||
            format_string(&key, "%s/key.pem", directory) < 0 ||
            format_string(&renew, "o7sctl ca issue %s%s, or whoever issued it", name, client ? " --client" : "") < 0)
                return;

        have_certificate = access(certificate, F_OK) == 0;
        have_key = stat(key, &st) == 0;
        if (have_certificate != have_key) {
                doctor_add(d, FINDING_PROBLEM, directory, renew, "has %s without %s",
                           have_certificate ? "a certificate" : "a key",
                           have_certificate ? "its key" : "its certificate");
                return;
        }
        if (!have_certificate)
                return;

        if (!check_certificates(d, certificate, false, renew, &pair.certificate) || !check_key_owner(d, key, &st))
                return;
        if (file_read(key, CA_PEM_BYTES_MAX, &pair.key, NULL) < 0)      /* that is how it should be, but for root */
                return;
        if (ca_check_pair(&pair) < 0)
                doctor_add(d, FINDING_PROBLEM, key, renew,
                           "is not the key of the certificate beside it, or cannot be used");
}

static int list_directory(Doctor *d, const char *path, struct dirent ***ret) {
        struct stat st;

        if (stat(path, &st) < 0)
                return 0;
        if (!check_place(d, path, &st) || !check_readable(d, path, &st))
                return 0;

        return scandir(path, ret, NULL, alphasort);
}

static void check_side(Doctor *d, bool client) {
        _cleanup_free_ char *directory = NULL;
        struct dirent **entries = NULL;
        int n;

        if (format_string(&directory, "%s" SECURITY_DIRECTORY "/%s", d->ctl->options.root,
                          client ? "client" : "server") < 0)
                return;

        n = list_directory(d, directory, &entries);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = NULL;
                const char *name = entries[i]->d_name;
                struct stat st;

                if (name[0] != '.' && doctor_wants(d, name) && format_string(&path, "%s/%s", directory, name) >= 0 &&
                    stat(path, &st) == 0 && check_place(d, path, &st) && check_readable(d, path, &st))
                        check_pair(d, path, name, client);
                free(entries[i]);
        }
        free(entries);
}

static void check_authorities(Doctor *d, const char *kind) {
        _cleanup_free_ char *directory = NULL;
        struct dirent **entries = NULL;
        int n;

        if (format_string(&directory, "%s" SECURITY_DIRECTORY "/%s", d->ctl->options.root, kind) < 0)
                return;

        n = list_directory(d, directory, &entries);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = NULL;

                if (entries[i]->d_name[0] != '.' && format_string(&path, "%s/%s", directory, entries[i]->d_name) >= 0)
                        (void) check_certificates(d, path, true, "o7sctl ca trust FILE, with its successor", NULL);
                free(entries[i]);
        }
        free(entries);
}

/* One that has run out stops everything that its authority signed: whoever keeps a newer one away would profit. */
static void check_list(Doctor *d, const char *path, const char *renew) {
        _cleanup_free_ char *pem = NULL, *text = NULL;
        CaList list = {};
        struct stat st;
        int r;

        r = stat(path, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
        if (r >= 0 && (!check_place(d, path, &st) || !check_readable(d, path, &st)))
                return;
        if (r >= 0)
                r = file_read(path, CA_PEM_BYTES_MAX, &pem, NULL);
        if (r >= 0)
                r = ca_read_list(pem, &list);
        if (r < 0)
                doctor_add(d, FINDING_PROBLEM, path, renew, "%s",
                           r == -EBADMSG ? "is no revocation list in PEM: all that depends on it is refused"
                                         : strerror(-r));
        else if (format_string(&text, "revokes %u certificate%s of '%s'", list.n_revoked,
                               list.n_revoked == 1 ? "" : "s", list.issuer) >= 0)
                doctor_add_expiring(d, path, text, list.expiry_sec, renew);
}

static void check_lists(Doctor *d) {
        _cleanup_free_ char *directory = NULL, *own = NULL;
        struct dirent **entries = NULL;
        int n;

        if (format_string(&directory, "%s" SECURITY_DIRECTORY "/crl", d->ctl->options.root) < 0 ||
            format_string(&own, "%s" CA_DIRECTORY "/crl.pem", d->ctl->options.root) < 0)
                return;

        if (access(own, F_OK) == 0)
                check_list(d, own, "o7sctl ca crl");

        n = list_directory(d, directory, &entries);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = NULL;

                if (entries[i]->d_name[0] != '.' && format_string(&path, "%s/%s", directory, entries[i]->d_name) >= 0)
                        check_list(d, path, "o7sctl ca crl where the authority is, and o7sctl ca trust FILE here");
                free(entries[i]);
        }
        free(entries);
}

void doctor_check_files(Doctor *d) {
        check_authorities(d, "cacert");
        check_authorities(d, "untrusted");
        check_lists(d);
        check_side(d, false);
        check_side(d, true);
}

/* -- configuration -- */

static void check_file(Doctor *d, const char *name, bool layer) {
        _cleanup_(layer_file_freep) LayerFile *layer_file = NULL;
        _cleanup_(name_file_freep) NameFile *name_file = NULL;
        const ConfMessage *messages;
        const ConfFile *conf;
        size_t n = 0;
        int r;

        r = layer ? layer_file_load(d->ctl->options.root, name, &layer_file)
                  : name_file_load(d->ctl->options.root, name, &name_file);
        if (r >= 0)
                return;

        conf = layer_file ? layer_file->conf : name_file ? name_file->conf : NULL;
        messages = conf ? conf_messages(conf, &n) : NULL;
        for (size_t i = 0; i < n; i++)
                if (messages[i].severity == CONF_ERROR) {
                        doctor_add(d, FINDING_PROBLEM, name, "o7sctl verify", "%s:%u: %s",
                                   strempty(messages[i].place.path), messages[i].place.line, messages[i].text);
                        return;
                }

        doctor_add(d, FINDING_PROBLEM, name, "o7sctl verify", "its %s file cannot be read: %s",
                   layer ? "layer" : "name", strerror(-r));
}

static unsigned check_configured(Doctor *d, const char *root, bool layer) {
        const char *suffix = layer ? LAYER_FILE_SUFFIX : NAME_FILE_SUFFIX;
        _cleanup_free_ char *path = NULL;
        struct dirent **entries = NULL;
        unsigned n_checked = 0;
        int n;

        if (format_string(&path, "%s%s/%s", d->ctl->options.root, root,
                          layer ? LAYER_FILE_DIRECTORY : NAME_FILE_DIRECTORY) < 0)
                return 0;

        n = scandir(path, &entries, NULL, alphasort);
        for (int i = 0; i < n; i++) {
                char *name = entries[i]->d_name;

                if (name[0] != '.' && endswith(name, suffix)) {
                        name[strlen(name) - strlen(suffix)] = '\0';
                        if (doctor_wants(d, name)) {
                                check_file(d, name, layer);
                                n_checked++;
                        }
                }
                free(entries[i]);
        }
        free(entries);

        return n_checked;
}

void doctor_check_configuration(Doctor *d) {
        static const char *const roots[] = { O7S_CONF_ROOTS };
        size_t before = d->n;
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(roots); i++)
                n += check_configured(d, roots[i], true) + check_configured(d, roots[i], false);

        if (n > 0 && d->n == before)
                doctor_add(d, FINDING_GOOD, "configuration", NULL, "%u file%s can be used", n, n == 1 ? "" : "s");
}
