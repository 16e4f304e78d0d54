/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/flow-upkeep.h"

void flow_upkeep_init(FlowUpkeep *upkeep, const FlowUpkeepLimits *limits, usec_t now) {
        *upkeep = (FlowUpkeep) {
                .active = true,
                .limits = *limits,
                .rotated = now,
                .probe_usec = FLOW_PROBE_FIRST_USEC,
        };
}

static void notice_begin(FlowNotice *notice, uint64_t value, usec_t now) {
        *notice = (FlowNotice) {
                .active = true,
                .value = value,
                .first = now,
                .next = now,
                .interval = FLOW_NOTICE_FIRST_USEC,
        };
}

static void notice_said(FlowNotice *notice, usec_t now) {
        notice->n_said++;
        notice->next = usec_add(now, notice->interval);
        notice->interval = MIN(2 * notice->interval, FLOW_NOTICE_LAST_USEC);
}

void flow_upkeep_rotate(FlowUpkeep *upkeep, uint64_t endpoint, usec_t now) {
        assert(upkeep->old_until == 0);

        notice_begin(&upkeep->notices[FLOW_NOTICE_ROTATE], endpoint, now);
        upkeep->n_packets = 0;
        upkeep->rotated = now;
        upkeep->old_until = USEC_INFINITY;      /* until the peer knows the new one */
}

void flow_upkeep_rotate_later(FlowUpkeep *upkeep, usec_t now) {
        upkeep->n_packets = 0;
        upkeep->rotated = now;
}

void flow_upkeep_move(FlowUpkeep *upkeep, uint64_t address, usec_t now) {
        notice_begin(&upkeep->notices[FLOW_NOTICE_MOVE], address, now);
}

bool flow_upkeep_ask(FlowUpkeep *upkeep, const FlowControl *control, uint64_t address, usec_t now) {
        if (!upkeep->active || !control->confirmed || upkeep->notices[FLOW_NOTICE_MOVE].active)
                return false;

        flow_upkeep_move(upkeep, address, now);
        return true;
}

/* What was said twice says nothing about how long the answer took. */
static void measure(FlowUpkeep *upkeep, const FlowNotice *notice, usec_t now) {
        usec_t rtt = MAX(usec_sub(now, notice->first), (usec_t) 1);

        if (notice->n_said == 1)
                upkeep->rtt_usec = upkeep->rtt_usec == 0 ? rtt : (7 * upkeep->rtt_usec + rtt) / 8;
}

static usec_t old_usec(const FlowUpkeep *upkeep) {
        if (upkeep->rtt_usec == 0)
                return FLOW_OLD_MAX_USEC;

        return MIN(2 * upkeep->rtt_usec + FLOW_REORDER_USEC, FLOW_OLD_MAX_USEC);
}

static bool was_said(const FlowNotice *notice, uint64_t value) {
        return notice->active && notice->value == value && notice->n_said > 0;
}

bool flow_upkeep_challenged(FlowUpkeep *upkeep, uint64_t address, uint64_t challenge, usec_t now) {
        FlowNotice *notice = &upkeep->notices[FLOW_NOTICE_MOVE];

        /* The same one again answers a repetition, or is one: we repeat what shows it by ourselves. */
        if (!was_said(notice, address) || notice->challenge == challenge)
                return false;

        measure(upkeep, notice, now);
        notice->challenge = challenge;
        notice->next = now;
        notice->interval = FLOW_NOTICE_FIRST_USEC;
        return true;
}

bool flow_upkeep_acknowledged(FlowUpkeep *upkeep, FlowNoticeKind kind, uint64_t value, usec_t heard, usec_t now) {
        FlowNotice *notice = &upkeep->notices[kind];

        if (!was_said(notice, value))
                return false;

        notice->active = false;
        measure(upkeep, notice, now);
        if (kind == FLOW_NOTICE_ROTATE)
                upkeep->old_until = usec_add(now, old_usec(upkeep));

        /* A peer that says nothing else is asked more and more seldom. */
        upkeep->probe_usec = heard > upkeep->acknowledged ? FLOW_PROBE_FIRST_USEC
                                                          : MIN(2 * upkeep->probe_usec, FLOW_PROBE_LAST_USEC);
        upkeep->acknowledged = now;
        return true;
}

static bool rotation_is_due(const FlowUpkeep *upkeep, usec_t now) {
        return upkeep->old_until == 0 && (upkeep->n_packets >= upkeep->limits.packets ||
                                          now >= usec_add(upkeep->rotated, upkeep->limits.usec));
}

static bool say(FlowNotice *notice, usec_t now) {
        if (!notice->active || now < notice->next)
                return false;

        notice_said(notice, now);
        return true;
}

FlowUpkeepEvent flow_upkeep_expire(FlowUpkeep *upkeep, usec_t now) {
        if (!upkeep->active)
                return FLOW_UPKEEP_NOTHING;

        if (upkeep->old_until != 0 && now >= upkeep->old_until) {
                upkeep->old_until = 0;
                return FLOW_UPKEEP_FORGET_OLD;
        }
        if (flow_path_expire(&upkeep->path, now))
                return FLOW_UPKEEP_PATH_FAILED;
        if (say(&upkeep->notices[FLOW_NOTICE_MOVE], now))
                return FLOW_UPKEEP_SAY_MOVE;
        if (say(&upkeep->notices[FLOW_NOTICE_ROTATE], now))
                return FLOW_UPKEEP_SAY_ROTATE;

        return rotation_is_due(upkeep, now) ? FLOW_UPKEEP_ROTATE : FLOW_UPKEEP_NOTHING;
}

usec_t flow_upkeep_next(const FlowUpkeep *upkeep) {
        usec_t next = flow_path_next(&upkeep->path);

        if (!upkeep->active)
                return USEC_INFINITY;

        for (FlowNoticeKind kind = 0; kind < _FLOW_NOTICE_KIND_MAX; kind++)
                if (upkeep->notices[kind].active)
                        next = MIN(next, upkeep->notices[kind].next);
        if (upkeep->old_until != 0)
                return MIN(next, upkeep->old_until);

        return MIN(next, usec_add(upkeep->rotated, upkeep->limits.usec));
}

/* -- what is said -- */

void flow_notice_write(Writer *w, const FlowNoticeText *text) {
        writer_u8(w, text->acknowledges);
        writer_be64(w, text->value);
        writer_bytes(w, text->lock, sizeof(text->lock));
        writer_be64(w, text->challenge);
}

int flow_notice_read(Cursor *c, FlowNoticeText *ret) {
        FlowNoticeText text = {};
        uint8_t what;

        what = cursor_u8(c);
        text.value = cursor_be64(c);
        cursor_copy(c, text.lock, sizeof(text.lock));
        text.challenge = cursor_be64(c);
        if (c->bad)
                return -EBADMSG;
        if (what > 1)
                return -EPROTO;

        text.acknowledges = what == 1;
        *ret = text;
        return 0;
}

FlowNoticeText flow_upkeep_said(const FlowUpkeep *upkeep, FlowNoticeKind kind) {
        const FlowNotice *notice = &upkeep->notices[kind];

        return (FlowNoticeText) { .value = notice->value, .challenge = notice->challenge };
}

/* -- what is heard -- */

static FlowNews understood(FlowUpkeep *upkeep, FlowNoticeKind kind, const FlowNoticeText *notice,
                           const FlowNoticeContext *context, usec_t now) {
        if (kind == FLOW_NOTICE_MOVE && notice->challenge != 0) {
                (void) flow_upkeep_challenged(upkeep, notice->value, notice->challenge, now);
                return FLOW_NEWS_NONE;
        }
        if (!flow_upkeep_acknowledged(upkeep, kind, notice->value, context->heard, now))
                return FLOW_NEWS_NONE;

        return kind == FLOW_NOTICE_MOVE ? FLOW_NEWS_OUR_ADDRESS : FLOW_NEWS_OUR_ENDPOINT;
}

/* That it says so anybody could make happen; only who is there can show what it was asked there. */
static FlowNews moved(FlowUpkeep *upkeep, const FlowNoticeText *notice, const FlowNoticeContext *context, usec_t now) {
        if (notice->value == context->peer_address) {
                flow_path_forget(&upkeep->path);
                return FLOW_NEWS_NONE;
        }

        return flow_path_named(&upkeep->path, notice->value, notice->challenge, context->bytes, context->random, now)
                       ? FLOW_NEWS_ADDRESS
                       : FLOW_NEWS_NONE;
}

FlowNews flow_upkeep_heard(FlowUpkeep *upkeep, FlowNoticeKind kind, const FlowNoticeText *notice,
                           const FlowNoticeContext *context, usec_t now, FlowNoticeText *ret_answer) {
        FlowNews news = FLOW_NEWS_ENDPOINT;

        *ret_answer = (FlowNoticeText) {};
        if (notice->acknowledges)
                return understood(upkeep, kind, notice, context, now);

        if (kind == FLOW_NOTICE_MOVE)
                news = moved(upkeep, notice, context, now);

        /* Also where it was said before: then the acknowledgement was lost. */
        *ret_answer = (FlowNoticeText) {
                .acknowledges = true,
                .value = notice->value,
                .challenge = kind == FLOW_NOTICE_MOVE ? upkeep->path.challenge : 0,
        };
        return news;
}
