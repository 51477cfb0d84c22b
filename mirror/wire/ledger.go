package wire

import (
	"time"

	"github.com/motefs/motefs/mirror"
)

// maxHeld bounds the bodies of one round that wait for their proof, in memory or
// spooled, in bytes.
const maxHeld = 4 << 20

// ledger holds the responses of one round until they are proven.
type ledger struct {
	held []held
	slab []byte // bodies, each with its ETag and Location behind it
	obj  Answer // what is handed out, made from one of held
}

// held is one response. It stands for a request of the batch, not for what the
// server meant by it: that is what the guards prove.
type held struct {
	i               int32
	status          int16
	taken           bool // handed out already
	spooled         bool
	off, body       uint32 // in slab
	etag, location  uint16
	size, modTime   int64
	retryAfterMilli uint32
	err             error // instead of an answer
}

// maxKept is the longest ETag and Location that is kept, in bytes.
const maxKept = 1<<16 - 1

func (l *ledger) reset() { l.held, l.slab = l.held[:0], l.slab[:0] }

// add holds a response with its body and what else of it is wanted.
func (l *ledger) add(h held, body, etag, location []byte) {
	h.off, h.body = uint32(len(l.slab)), uint32(len(body))
	l.slab = append(l.slab, body...)
	if len(etag) <= maxKept {
		h.etag = uint16(len(etag))
		l.slab = append(l.slab, etag...)
	}
	if len(location) <= maxKept {
		h.location = uint16(len(location))
		l.slab = append(l.slab, location...)
	}
	l.held = append(l.held, h)
}

// answer is what h says, valid until the next call.
func (l *ledger) answer(h *held) *Answer {
	b := l.slab[h.off:]
	body, rest := b[:h.body:h.body], b[h.body:]
	l.obj = Answer{
		Object: mirror.Object{Body: body, Size: h.size, ModTime: h.modTime, ETag: rest[:h.etag:h.etag], Spooled: h.spooled},
		Status: int(h.status),
	}
	if h.location > 0 {
		l.obj.Location = string(rest[h.etag:][:h.location])
	}
	if h.retryAfterMilli > 0 {
		l.obj.RetryAfter = time.Duration(h.retryAfterMilli) * time.Millisecond
	}
	return &l.obj
}

// harmless reports whether a response needs no proof: it says of a file only
// that it should be asked for again, or the caller did not want it.
func (h *held) harmless() bool {
	return h.err == nil && temporary(int(h.status)) || h.err != nil && h.spooled
}
