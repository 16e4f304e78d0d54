/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef O7S_H
#define O7S_H

/*
 * o7s: flows to names. A program asks for a flow to a name with a quality of service, or listens on a name
 * and accepts flows; a flow carries messages both ways. Addresses, ports and layers are never seen.
 *
 * Conventions, for all calls:
 *
 *  - They return 0 or more, or a negative errno. Outputs come last and are untouched on failure. After a
 *    failure o7s_last_error() has a sentence for people: what failed, why, and what to do.
 *  - Time-outs are microseconds from now; 0 means "do not wait", O7S_FOREVER "no limit". A call that may
 *    not wait returns -EAGAIN where it would have to, one whose time is over returns -ETIMEDOUT.
 *  - Handles are opaque and counted. Every call may be made from any thread, except that one flow is
 *    read by one thread at a time and written by one thread at a time (these two may differ), and that the
 *    last reference is not given up while another thread is still inside a call.
 *  - Nothing happens before the first call that needs the IRM; nothing is ever printed, no signal is
 *    touched. All descriptors are close-on-exec. One thread is started with the first flow that is ordered and goes
 *    through a layer, and ends with the last: it acknowledges, sends again and keeps the pace while the program does
 *    something else. It blocks all signals, and sleeps while nothing is on its way.
 *  - After fork() the child must not use what it inherited: every call on such a handle returns -ECHILD
 *    (unref frees the memory). It may open new flows.
 *  - Flags and fields that are unknown or reserved are refused with -EINVAL, never ignored.
 *
 * A flow through a layer outlives the layer's process: where that is killed, the flow goes on with the next one, by
 * itself, as the same handle with the same descriptor, within a second where all is well. Until then reads find what
 * had arrived, writes go on as long as there is room, and both wait as their time-outs say; what was on its way may
 * be lost, but on a reliable flow is sent again. Where no process comes back, the flow ends after some seconds. It
 * happens inside calls: a flow that nobody looks at waits, unless it is ordered.
 *
 * It outlives a link that is down, too, for as long as its timeout_ms or, where it is reliable, the 120 seconds below
 * allow: O7S_CHANGED tells when a link goes down or comes back, o7s_flow_info.link_down how it is.
 *
 * A reliable flow (in_order, loss == 0) delivers every byte that a write accepted once, in order and unmodified, or
 * says that it did not: where nothing of what was sent is acknowledged for 120 seconds it ends, with O7S_DOWN and
 * O7S_PEER_GONE; writes then return -EPIPE, reads what had arrived and then -ECONNRESET, and o7s_last_error() says
 * so. That a write returned means that the library has the data, not that the peer has: o7s_flow_flush() and
 * o7s_flow_close() wait for that.
 *
 * The IRM is found at the socket that the environment variable O7S_SOCKET names, or else at
 * /run/o7s/irm.sock. Calls that need it return -EHOSTDOWN where it does not run. Flows that exist go on
 * without it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef struct o7s_flow o7s_flow;
typedef struct o7s_listener o7s_listener;
typedef struct o7s_set o7s_set;

#define O7S_FOREVER UINT64_MAX

/* -- quality of service -- */

/* What a flow should be like. The asking side decides; the accepting side gets exactly that. */
typedef struct o7s_qos {
        uint32_t delay_ms;              /* wanted at most; UINT32_MAX: any */
        /* wanted at least, bits per second; 0: none, UINT64_MAX: all there is. Voice and video go ahead of others for
         * no more than that, see o7s.layer(5) */
        uint64_t bandwidth_bps;
        uint8_t availability_nines;     /* 3: 99.9 % */
        uint32_t loss;                  /* 0: nothing may be lost; 1: best effort */
        uint32_t ber;                   /* 0: no bit errors (checksum); 1: as the network does */
        uint8_t in_order;               /* 1: in the order sent, without duplicates */
        uint32_t max_gap_ms;            /* longest silence that still counts as available; UINT32_MAX: any */
        uint32_t timeout_ms;            /* a peer not heard of for so long is gone; 0: never */
} o7s_qos;

/* Presets. NULL stands for O7S_QOS_BEST_EFFORT: in order, without errors, what is lost stays lost. Only O7S_QOS_RAW
 * gives the packets of the layer as they are.
 *
 * ber == 0 puts a checksum on every packet. A flow with loss == 0 to a host that is not o7s has none, whatever was
 * asked for (such hosts cannot resend what has one): its granted ber is then 1. */
#define O7S_QOS_RAW ((o7s_qos) { UINT32_MAX, 0, 0, 1, 1, 0, UINT32_MAX, 120000 })
#define O7S_QOS_RAW_SAFE ((o7s_qos) { UINT32_MAX, 0, 0, 1, 0, 0, UINT32_MAX, 120000 })
#define O7S_QOS_BEST_EFFORT ((o7s_qos) { UINT32_MAX, 0, 0, 1, 0, 1, UINT32_MAX, 120000 })
#define O7S_QOS_VIDEO ((o7s_qos) { 100, UINT64_MAX, 3, 1, 0, 1, 100, 120000 })
#define O7S_QOS_VOICE ((o7s_qos) { 50, 100000, 5, 1, 0, 1, 50, 120000 })
#define O7S_QOS_DATA ((o7s_qos) { 1000, 0, 0, 0, 0, 1, 2000, 120000 })

/* -- values -- */

/* Flags of a flow. The lane class flags count at allocation only. */
#define O7S_TRUNCATE 1U         /* a read drops what does not fit instead of keeping it for the next read */
/* the last unref waits, at most 5 s, until the peer has taken everything; see o7s_flow_unref() */
#define O7S_LINGER 2U
/* a byte stream, without boundaries of messages; with in_order and loss == 0; at allocation */
#define O7S_STREAM 4U
#define O7S_BULK 8U             /* long queues: 256 packets; at allocation */
#define O7S_THIN 16U            /* short queues, little memory: 16 packets; at allocation */

/* What may be the case at a flow or listener. */
/* a message is there to be read, or a flow to be accepted; of flows only while armed, see o7s_flow_arm_read() */
#define O7S_READABLE 1U
#define O7S_WRITABLE 2U         /* a write would not wait; reported only while armed, see o7s_flow_arm_write() */
#define O7S_DOWN 4U             /* the flow has ended; what arrived before can still be read */
#define O7S_UP 8U               /* a pending allocation is decided: o7s_flow_alloc_finish() will not wait */
/* with O7S_DOWN: the peer's process ended without closing, or was not heard of for too long */
#define O7S_PEER_GONE 16U
/* o7s_flow_info() (.mtu, .link_down) or o7s_flow_stats() (.packet_max) may say something new: the path takes packets of
 * another size, the network below went down or came back, or the layer was restarted; told once */
#define O7S_CHANGED 32U

/* For o7s_flow_set_timeout(). */
#define O7S_TIMEOUT_READ 0
#define O7S_TIMEOUT_WRITE 1

/* Flags of a message, set by o7s_flow_read_batch(); 0 when writing. */
#define O7S_MSG_TRUNCATED 1U    /* the end of the message did not fit and was dropped */
#define O7S_MSG_MORE 2U         /* the message goes on in the next read */

/* What the handle of an o7s_event is. */
#define O7S_KIND_FLOW 1U
#define O7S_KIND_LISTENER 2U

/* Why messages were dropped: indices of o7s_flow_stats.drops. */
enum {
        O7S_DROP_MALFORMED,
        O7S_DROP_UNKNOWN_ENDPOINT,
        O7S_DROP_WRONG_SOURCE,
        O7S_DROP_NOT_FOR_US,
        O7S_DROP_QUEUE_FULL,
        O7S_DROP_TOO_LARGE,             /* the end of a message, with O7S_TRUNCATE */
        O7S_DROP_LINK_DOWN,
        O7S_DROP_SEND_FAILED,
        O7S_DROP_FLOW_CLOSED,           /* unread when the flow was closed on this side */
        O7S_DROP_UNKNOWN_MESSAGE,
        O7S_DROP_LIMIT,
        O7S_DROP_NO_MEMORY,
        O7S_DROP_HOSTILE,
        O7S_DROP_NO_ROUTE,
        O7S_DROP_TTL,
        O7S_DROP_NOT_ATTACHED,
        O7S_DROP_FORGED,                /* not the peer's, or altered on its way; protected flows */
        O7S_DROP_REPLAYED,              /* had been received before, or too long ago to tell; protected flows */
        O7S_DROP_REASONS = 32           /* room for more */
};

/* -- structures; those that share their name with a call are written with "struct", as struct stat is -- */

/* One message of a batch. */
typedef struct o7s_msg {
        void *data;             /* the caller's memory */
        size_t size;            /* bytes of the message; reading sets it */
        size_t capacity;        /* reading: room at data */
        uint32_t flags;         /* O7S_MSG_ */
} o7s_msg;

/* One thing that o7s_set_wait() saw. */
typedef struct o7s_event {
        void *handle;           /* the o7s_flow or o7s_listener that was added; no reference is taken */
        uint32_t kind;          /* O7S_KIND_ */
        uint32_t events;        /* mask of O7S_READABLE, ... */
} o7s_event;

/* What is known of a flow. Set size to sizeof(struct o7s_flow_info) before the call. */
struct o7s_flow_info {
        size_t size;
        uint64_t flow_id;               /* of this host's IRM */
        char name[256];                 /* the name that was asked for */
        char layer[64];                 /* which layer carries it; "" between two programs of one host */
        char peer[256];                 /* who is at the other end, as far as known */
        uint32_t peer_verified;         /* 1: authenticated; 0: .peer is what the other side says */
        uint32_t is_local;              /* 1: both ends are on this host */
        char protection[32];            /* "none", "mac" (authentic, readable on the way) or the name of a cipher */
        o7s_qos qos_asked;
        o7s_qos qos_granted;
        uint32_t mtu;                   /* largest message, bytes */
        uint32_t slots;                 /* length of the queue towards the peer, in packets of up to 2048 bytes */
        uint32_t is_stream;             /* 1: bytes without boundaries, as the asking side wanted (O7S_STREAM) */
        char key_exchange[32];          /* what the keys come from, such as "X25519"; "" where there are none */
        uint32_t link_down;             /* 1: the layer cannot send now, as where a cable is pulled or no way to the peer
                                         * is known; the flow goes on, and once that is over so do its messages, but
                                         * for those that an unreliable flow lost */
};

/* Counters of one end of a flow, from its beginning. Set size to sizeof(struct o7s_flow_stats) before the
 * call. */
struct o7s_flow_stats {
        size_t size;
        uint64_t tx_messages;
        uint64_t tx_bytes;
        uint64_t rx_messages;
        uint64_t rx_bytes;
        uint64_t drops[O7S_DROP_REASONS];
        uint64_t rtt_ns;                /* smoothed round trip; 0: not measured (ordered flows) */
        uint64_t rtt_variance_ns;
        uint64_t lost;
        uint64_t retransmitted;
        uint32_t tx_queued;             /* packets that the peer has not taken yet; reliable flows: and unacknowledged
                                         * messages */
        uint32_t rx_queued;             /* packets that wait to be read here */
        uint64_t read_waits;            /* reads that found nothing and had to wait */
        uint64_t write_waits;           /* writes that found no room and had to wait */
        uint64_t duplicates;            /* packets that had arrived before; this and what follows: ordered flows only */
        uint64_t marked;                /* packets that met congestion on their way here */
        uint64_t acknowledged_bytes;    /* of tx_bytes, what the peer has; reliable flows */
        uint64_t unacknowledged_bytes;  /* of tx_bytes, what may yet be lost if the flow ends now; reliable flows */
        uint64_t tx_rate;               /* pace at which we send, bytes per second; 0: no pace */
        uint64_t path_rate;             /* what the path is thought to deliver, bytes per second; 0: not known */
        uint32_t window;                /* packets that the peer still takes */
        uint32_t packet_max;            /* largest packet that the path is known to take, bytes */
        uint64_t key_epochs;            /* new keys that we have begun to send with; this and what follows: protected
                                         * flows */
        uint64_t key_agreements;        /* keys that were agreed on anew */
};

/* The last failure of a thread. Set size to sizeof(o7s_error) before the call. */
typedef struct o7s_error {
        size_t size;
        int error;              /* negative errno; 0: no call of this thread failed yet */
        char name[256];         /* the name it was about, or "" */
        char layer[64];
        char peer[256];
        char text[512];         /* what failed, why, what to do */
} o7s_error;

/* -- making flows -- */

/* Opens a flow to a name and waits until the other side accepted it.
 *
 * name: 1 to 255 bytes. qos: NULL = best effort. flags: of O7S_TRUNCATE, O7S_LINGER, O7S_STREAM, and one of
 * O7S_BULK and O7S_THIN. timeout_usec: for all of it; 0 is -EAGAIN at best, after asking. *ret: the
 * caller's, o7s_flow_unref().
 *
 * Returns: 0; -ENOENT: no layer knows the name; -ECONNREFUSED: the other side refused; -ETIMEDOUT; -EPERM,
 * -EACCES: not allowed; -EDQUOT: a limit of this user, named in o7s_last_error(); -EHOSTUNREACH;
 * -EKEYREJECTED: the other side did not prove who it is, or one of both may not; -EPROTO: no common protection;
 * -ETIME: the clocks differ; -ENOKEY: this host's own certificates, keys or authentication service; -EHOSTDOWN: the
 * IRM does not run; -EINVAL: also O7S_STREAM without in_order and loss == 0; -ENOMEM, -EMFILE. */
int o7s_flow_alloc(const char *name, const o7s_qos *qos, uint64_t flags, uint64_t timeout_usec, o7s_flow **ret);

/* As o7s_flow_alloc(), without waiting. *ret is pending: only finish, fd, events, sets, flags, time-outs, info,
 * ref and unref work, others return -EINPROGRESS. Its descriptor becomes readable when o7s_flow_alloc_finish()
 * would not say -EINPROGRESS. Giving up the last reference cancels. timeout_usec is how long the other side may
 * take. */
int o7s_flow_alloc_start(const char *name, const o7s_qos *qos, uint64_t flags, uint64_t timeout_usec,
                         o7s_flow **ret);

/* Finishes o7s_flow_alloc_start(). Never waits. Returns: 0: the flow is there, also when asked again;
 * -EINPROGRESS; or why it failed, as o7s_flow_alloc(): then only unref is left. */
int o7s_flow_alloc_finish(o7s_flow *flow);

/* Serves a name. name: one that is bound to this program, its unit or its user; NULL: every one that is.
 * flags: 0, or those that accepted flows shall have: of O7S_TRUNCATE, O7S_LINGER, and one of O7S_BULK and O7S_THIN.
 *
 * Returns: 0; -EPERM: the name is not bound to the caller; -ENOENT: no such name; -EHOSTDOWN; -EINVAL,
 * -ENOMEM, -EMFILE. */
int o7s_listen(const char *name, uint64_t flags, o7s_listener **ret);

/* A descriptor for poll(), epoll and event loops: readable whenever o7s_flow_accept() would get on. The same
 * until unref. It belongs to the listener: never read or close it. Returns: the descriptor; -ECHILD. */
int o7s_listener_fd(o7s_listener *listener);

/* One more reference. NULL is fine. Returns its argument. */
o7s_listener *o7s_listener_ref(o7s_listener *listener);

/* One reference less. The last one ends serving; flows that were accepted go on, those that were offered
 * and not accepted go to other listeners. NULL is fine. Returns NULL. */
o7s_listener *o7s_listener_unref(o7s_listener *listener);

/* Takes the next flow. That some peer failed while asking is never an error here. One thread at a time gets
 * each flow; several may wait. Returns: 0; -EAGAIN, -ETIMEDOUT; -EPERM: the name is no longer ours;
 * -ENOMEM, -EMFILE. While the IRM is away the call waits for it to come back. */
int o7s_flow_accept(o7s_listener *listener, uint64_t timeout_usec, o7s_flow **ret);

/* The flow of a broadcast layer. Returns: -EOPNOTSUPP until broadcast layers exist. */
int o7s_flow_join(const char *layer, uint64_t timeout_usec, o7s_flow **ret);

/* -- messages -- */

/* Sends one message of 1 to mtu bytes (o7s_flow_info.mtu), waiting for room as the write time-out says
 * (default: forever). All of it or nothing. The data is copied, the caller keeps it. That the flow has
 * ended is reported by the write itself; within some milliseconds after the other side died it may be the
 * next one.
 *
 * Of a stream as much is sent as finds room in time, of data of any size, and nothing is an error only where it is
 * nothing.
 *
 * On an ordered flow within one host a message that is larger than the queue goes in steps. Where the write returns
 * -EAGAIN or -ETIMEDOUT in between, nothing of it is ever read; written again, the same bytes go on where it stopped,
 * so that a program that never waits gets it through as well. Any other message takes its place.
 *
 * Returns: size, of a stream 1 to size; -EAGAIN, -ETIMEDOUT; -EMSGSIZE; -EINVAL: empty; -EPIPE: the flow has ended,
 * o7s_last_error() says how; -ENOMEM; -EBADMSG: the other side broke the rules of shared memory. */
ssize_t o7s_flow_write(o7s_flow *flow, const void *data, size_t size);

/* As o7s_flow_write(), gathered from n parts (at most 1024). */
ssize_t o7s_flow_writev(o7s_flow *flow, const struct iovec *parts, unsigned n);

/* Receives one message, waiting as the read time-out says (default: forever).
 *
 * A message that is longer than the buffer is delivered over several reads, nothing is lost: every read but
 * the last fills the buffer, the last one does not. So where a message ends exactly with the buffer, the
 * next read returns 0. A buffer larger than the mtu never sees any of this; nor does a flow with
 * O7S_TRUNCATE, where the end of a message that does not fit is dropped. Messages are never empty: 0 is not
 * the end of the flow.
 *
 * A stream has no messages: a read returns what is there, up to the size of the buffer, never 0. To a host that is
 * not o7s what each side writes still goes as messages; here they are joined, there they are read as such.
 *
 * Returns: bytes; -EAGAIN, -ETIMEDOUT; -ENOTCONN: the flow has ended and everything was read; -ECONNRESET: what had
 * arrived on a reliable flow was read, and it ended before the other side had sent everything or said that it had
 * (hosts that are not o7s never say: -ENOTCONN); -EINVAL: size is 0; -EBADMSG: the other side broke the rules of
 * shared memory. */
ssize_t o7s_flow_read(o7s_flow *flow, void *data, size_t size);

/* As o7s_flow_read(), scattered over n parts (at most 1024). */
ssize_t o7s_flow_readv(o7s_flow *flow, const struct iovec *parts, unsigned n);

/* Sends up to n messages with one wake-up of the peer. Waits only where not even the first finds room.
 * Returns: how many were sent, 1 to n (0: n was 0); errors as o7s_flow_write(), of the first. */
int o7s_flow_write_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n);

/* Receives up to n messages, each into data and capacity of its o7s_msg; sets size and flags. Waits only
 * for the first. A message too long for its entry continues in the next one (O7S_MSG_MORE), or is cut
 * (O7S_MSG_TRUNCATED) where the flow says truncate. Returns: entries filled; errors as o7s_flow_read(). */
int o7s_flow_read_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n);

/* Hands out room for a message, up to size (1 to 2048) bytes in the queue itself (on ordered, checked and protected
 * flows: in memory of the library), to be filled in and committed by the same thread. One at a time; other writes are
 * refused with -EBUSY until then. Waits as a write. */
int o7s_flow_reserve(o7s_flow *flow, size_t size, void **ret);

/* Sends the first size bytes of what was reserved; 0 gives the room back. Returns: size; -EINVAL: nothing is
 * reserved, or less; -EMSGSIZE: the path has come to take less, and the room stays reserved; -EPIPE. */
ssize_t o7s_flow_commit(o7s_flow *flow, size_t size);

/* The next message in place, read-only, until o7s_flow_release(); reads are refused with -EBUSY until then.
 * Waits as a read. The other side can change these bytes at any time where they lie in its memory
 * (unprotected flows, messages of one packet): read each of them once, or copy. Errors as o7s_flow_read(). */
int o7s_flow_peek(o7s_flow *flow, const void **ret, size_t *ret_size);

/* Done with the peeked message: it is gone. Returns: 0; -EINVAL: nothing is peeked. */
int o7s_flow_release(o7s_flow *flow);

/* Waits until the other end of the queue has taken everything that was written: on a raw flow that is the
 * peer's program, or, through a layer, that layer; on a reliable flow, the peer's library, which has acknowledged it.
 * Returns: 0; -EAGAIN, -ETIMEDOUT: o7s_flow_stats has what is still missing (.unacknowledged_bytes, on others
 * .tx_queued); -EPIPE: the flow ended before. Counts as writing. */
int o7s_flow_flush(o7s_flow *flow, uint64_t timeout_usec);

/* -- waiting for something to happen -- */

/* A descriptor for poll(), epoll and event loops, level-triggered: readable whenever o7s_flow_events() is
 * not 0. It is made at the first call and stays the same until unref, from a pending allocation on. It
 * belongs to the flow: never read or close it. A wake-up without an event is possible, as with any
 * descriptor. Returns: the descriptor; -ENOMEM, -EMFILE, -ECHILD. */
int o7s_flow_fd(o7s_flow *flow);

/* What is the case now: a mask of O7S_READABLE, O7S_WRITABLE, O7S_DOWN, O7S_UP, O7S_PEER_GONE, O7S_CHANGED.
 * Never waits. Counts as reading: by the thread that reads. Returns: the mask; -ECHILD. */
int o7s_flow_events(o7s_flow *flow);

/* Whether O7S_WRITABLE is reported. Off at first, as a flow is writable nearly always. "Writable" is room
 * for the largest message. While it is on, reads, writes and o7s_flow_events() have to come from one
 * thread. Returns: 0; -EPIPE, -EINPROGRESS. */
int o7s_flow_arm_write(o7s_flow *flow, bool on);

/* Whether O7S_READABLE is reported. On at first. Off is for programs that have no place for more just now: messages that
 * wait then no longer keep the flow's descriptor readable or its set awake, and all other events are told as ever. The
 * messages stay where they are, which in time holds the peer up, and reads find them. Counts as reading.
 * Returns: 0; -ENOTCONN: it was closed; -EINPROGRESS. */
int o7s_flow_arm_read(o7s_flow *flow, bool on);

/* -- settings and facts -- */

/* Sets how long reads (O7S_TIMEOUT_READ) or writes (O7S_TIMEOUT_WRITE) wait; 0 makes them non-blocking.
 * Default: O7S_FOREVER. */
int o7s_flow_set_timeout(o7s_flow *flow, int which, uint64_t usec);

/* Replaces the flags O7S_TRUNCATE and O7S_LINGER; the others must be as they are. Returns: 0; -EINVAL. */
int o7s_flow_set_flags(o7s_flow *flow, uint64_t flags);

/* The flags as they are. */
int o7s_flow_get_flags(o7s_flow *flow, uint64_t *ret);

/* What is known of the flow. Returns: 0; -EINVAL: ret->size is not one that this library knows. */
int o7s_flow_info(o7s_flow *flow, struct o7s_flow_info *ret);

/* What the flow has done so far. From any thread, at any time. Returns: 0; -EINVAL: ret->size is not known. */
int o7s_flow_stats(o7s_flow *flow, struct o7s_flow_stats *ret);

/* -- ending -- */

/* One more reference. NULL is fine. Returns its argument. */
o7s_flow *o7s_flow_ref(o7s_flow *flow);

/* One reference less. The last one closes the flow, lingering where O7S_LINGER is set, or cancels a pending
 * allocation. What the peer has not read yet it can still read. NULL is fine. Returns NULL.
 *
 * What was written to a reliable flow and is not acknowledged yet is delivered in the background, for up to 120 s, as
 * long as the process lives; exit() waits for that, at most 5 s. Whether it arrived nobody learns: who wants to know
 * calls o7s_flow_close(). */
o7s_flow *o7s_flow_unref(o7s_flow *flow);

/* Flushes and closes; counts as writing. The handle stays until unref; other calls return -ENOTCONN or
 * -EPIPE. The flow is closed whatever this returns: 0: the other end has taken everything; -ETIMEDOUT
 * (-EAGAIN for 0): not all of it yet: on a reliable flow what was not acknowledged may be lost
 * (o7s_flow_stats.unacknowledged_bytes), on others it stays readable there; -EPIPE: it had ended before, on a
 * reliable flow before everything was acknowledged. */
int o7s_flow_close(o7s_flow *flow, uint64_t timeout_usec);

/* -- waiting on many -- */

/* An empty set. *ret: the caller's, o7s_set_unref(). Returns: 0; -ENOMEM, -EMFILE. */
int o7s_set_new(o7s_set **ret);

/* Lets go of the members and ends the set. No thread may still wait on it. NULL is fine. Returns NULL. */
o7s_set *o7s_set_unref(o7s_set *set);

/* Adds a member, a flow (O7S_KIND_FLOW) or a listener (O7S_KIND_LISTENER); the set holds a reference. A
 * flow is in one set at most, and its reading thread is the one that waits on the set. Returns: 0; -EEXIST:
 * it is in a set; -ENOMEM, -ENOSPC. */
int o7s_set_add(o7s_set *set, uint32_t kind, void *handle);

/* Takes a member out and gives up the set's reference. Returns: 0; -ENOENT: it is not in this set. */
int o7s_set_remove(o7s_set *set, void *handle);

/* The set's one descriptor, level-triggered as o7s_flow_fd(); never read or close it. */
int o7s_set_fd(o7s_set *set);

/* Waits until something is the case at a member of the set. Level-triggered: what is not dealt with is
 * reported again, but for messages of flows that are not armed for them, see o7s_flow_arm_read(); members take turns
 * where there are more than n. Returns: entries filled; -EAGAIN, -ETIMEDOUT; -EINTR: a signal. */
int o7s_set_wait(o7s_set *set, o7s_event *events, unsigned n, uint64_t timeout_usec);

/* -- errors -- */

/* A sentence on an errno (either sign): what it means here. Never NULL, never freed. */
const char *o7s_strerror(int error);

/* This thread's last failure. Returns: 0; -EINVAL: ret->size is not one that this library knows. */
int o7s_last_error(o7s_error *ret);

/* The version of the library that runs, such as "0.1.0". */
const char *o7s_version(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
