/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Making, checking and mapping lanes.
 *
 * What the seals buy, one by one: SHRINK, that no access of ours ends in SIGBUS; GROW, that the memory stays what
 * the quota counted; FUTURE_WRITE, that nobody but the maker, through the mapping he made before, ever writes or
 * punches holes; SEAL, that the set is final. That the kernel answers F_GET_SEALS at all, on a tmpfs, proves that
 * this is memory and not a file whose server lets our page faults hang.
 */

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "libo7s/lane-internal.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U         /* Linux 6.3 */
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010      /* Linux 5.1 */
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22           /* Linux 5.14 */
#endif

#define LANE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)
#define LANE_MESSAGE_BYTES_MAX (64U * 1024U)
#define STAT_BLOCK_BYTES 512            /* the unit of st_blocks, whatever st_blksize says */

static const uint32_t class_slots[_LANE_CLASS_MAX] = {
        [LANE_THIN] = 16,
        [LANE_NORMAL] = 64,
        [LANE_BULK] = 256,
};

/* The probe behind which newer kernel calls sit. The one variable of this file: tests set it, nothing else. */
static bool old_kernel = false;

void lane_force_old_kernel(bool on) {
        old_kernel = on;
}

uint32_t lane_class_slots(LaneClass class) {
        assert((int) class >= 0 && class < _LANE_CLASS_MAX);

        return class_slots[class];
}

size_t lane_class_bytes(LaneClass class) {
        return sizeof(LaneMemory) + (size_t) lane_class_slots(class) * LANE_SLOT_BYTES;
}

size_t lane_class_message_max(LaneClass class) {
        return MIN((size_t) lane_class_slots(class) / 2 * LANE_SLOT_BYTES, (size_t) LANE_MESSAGE_BYTES_MAX);
}

static int memory_new(size_t size, int *ret_fd) {
        _cleanup_close_ int fd = -1;

        if (old_kernel)
                errno = EINVAL;
        else
                fd = memfd_create("o7s-lane", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create("o7s-lane", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;

        if (ftruncate(fd, (off_t) size) < 0)
                return -errno;

        /* All of it now, on our account: a hole would be filled, and paid for, by whoever touches it first. */
        if (fallocate(fd, 0, 0, (off_t) size) < 0)
                return -errno;

        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Takes the pages in, so that what could fail fails here and not in the middle of a packet. */
static int populate_read(const void *memory, size_t size) {
        volatile const uint8_t *bytes = memory;
        size_t page = (size_t) sysconf(_SC_PAGESIZE);

        if (!old_kernel) {
                if (madvise((void *) (uintptr_t) memory, size, MADV_POPULATE_READ) >= 0)
                        return 0;
                if (errno == ENOMEM)
                        return -ENOMEM;
                if (errno != EINVAL)
                        return -EBADMSG;        /* EFAULT: reading would have been SIGBUS */
        }

        /* Safe without the call too: seals and st_blocks have ruled out holes. */
        for (size_t i = 0; i < size; i += page)
                (void) bytes[i];

        return 0;
}

static int lane_map(LaneClass class, int fd, bool own, Lane **ret) {
        _cleanup_(lane_freep) Lane *lane = NULL;
        void *memory;

        lane = malloc(sizeof(*lane));
        if (!lane)
                return -ENOMEM;

        *lane = (Lane) { .class = class, .size = lane_class_bytes(class), .own = own };

        memory = mmap(NULL, lane->size, own ? PROT_READ | PROT_WRITE : PROT_READ,
                      own ? MAP_SHARED | MAP_POPULATE : MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;

        lane->memory = memory;

        /* A forked child has no business here; with our own lane it could even write. */
        if (madvise(memory, lane->size, MADV_DONTFORK) < 0)
                return -errno;

        *ret = TAKE_PTR(lane);
        return 0;
}

static int check_descriptor(LaneClass class, int fd) {
        struct statfs fs;
        struct stat st;
        int seals;

        if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
                return -EBADMSG;
        if (!S_ISREG(st.st_mode))
                return -EBADMSG;
        if (fs.f_type != TMPFS_MAGIC)           /* files, FUSE, and hugetlbfs, which faults when its pool is empty */
                return -EBADMSG;

        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & LANE_SEALS) != LANE_SEALS)
                return -EBADMSG;

        /* Only now, under the seals, do these two stay true. */
        if (fstat(fd, &st) < 0)
                return -EBADMSG;
        if (st.st_size != (off_t) lane_class_bytes(class))
                return -EBADMSG;
        if (st.st_blocks < st.st_size / STAT_BLOCK_BYTES)
                return -EBADMSG;

        return 0;
}

int lane_new(LaneClass class, Lane **ret, int *ret_fd) {
        _cleanup_(lane_freep) Lane *lane = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        assert(ret);
        assert(ret_fd);

        if ((int) class < 0 || class >= _LANE_CLASS_MAX)
                return -EINVAL;

        r = memory_new(lane_class_bytes(class), &fd);
        if (r < 0)
                return r;

        r = lane_map(class, fd, true, &lane);
        if (r < 0)
                return r;

        /* After mapping: from here on this mapping is the only one that writes. */
        if (fcntl(fd, F_ADD_SEALS, LANE_SEALS) < 0)
                return -errno;

        lane->memory->magic = LANE_MAGIC;
        lane->memory->version = LANE_VERSION;
        lane->memory->n_slots = lane_class_slots(class);
        lane->memory->slot_size = LANE_SLOT_BYTES;
        lane->memory->known = LANE_KNOWS_PATH;

        *ret = TAKE_PTR(lane);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int lane_open(LaneClass class, int fd, Lane **ret) {
        _cleanup_(lane_freep) Lane *lane = NULL;
        int r;

        assert(ret);

        if ((int) class < 0 || class >= _LANE_CLASS_MAX)
                return -EINVAL;

        r = check_descriptor(class, fd);
        if (r < 0)
                return r;

        r = lane_map(class, fd, false, &lane);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return -EBADMSG;

        r = populate_read(lane->memory, lane->size);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(lane);
        return 0;
}

Lane *lane_forget(Lane *lane) {
        return mfree(lane);
}

Lane *lane_free(Lane *lane) {
        if (!lane)
                return NULL;

        if (lane->memory)
                (void) munmap(lane->memory, lane->size);
        return mfree(lane);
}
