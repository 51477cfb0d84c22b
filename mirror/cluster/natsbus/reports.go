package natsbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// ReportAge is how long a report counts.
	ReportAge = 10 * time.Second
	// maxReport is the length of a report, in bytes; maxReports and reportsBytes bound what
	// is kept of all others.
	maxReport    = 16 << 10
	maxReports   = 4096
	reportsBytes = 4 << 20
)

// ErrTooLong says that a report has more bytes than all others could keep.
var ErrTooLong = errors.New("report too long")

// Report tells the others what this process does.
func (b *Bus) Report(ctx context.Context, report []byte) error {
	if len(report) > maxReport {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(report), maxReport)
	}
	return b.insist(ctx, "report", func(context.Context) error {
		return b.conn.Publish(b.inbox.subject(b.o.Process), report)
	}, func(error) {})
}

// Reports returns what the others have reported lately, by their ids.
func (b *Bus) Reports(ctx context.Context) (map[string][]byte, error) {
	if err := context.Cause(b.ctx); err != nil {
		return nil, err
	}
	all := b.inbox.of(b.o.Mirror)
	delete(all, b.o.Process)
	return all, ctx.Err()
}

// Away reports whether not even what this process itself reported of late has come. Then
// nobody else is heard either.
func (b *Bus) Away() bool {
	return !b.inbox.heard(b.inbox.subject(b.o.Process), b.o.ReportAge/2)
}

// reports keeps the last report of each process.
type reports struct {
	pattern string
	age     time.Duration
	mu      struct {
		sync.Mutex
		by    map[string]report // by their subjects
		bytes int
	}
}

type report struct {
	at   time.Time
	data []byte
}

// listen keeps reports whose subjects match pattern for age each, until conn is closed.
func listen(conn *nats.Conn, pattern string, age time.Duration) (*reports, error) {
	r := &reports{pattern: pattern, age: age}
	r.mu.by = make(map[string]report)
	sub, err := conn.Subscribe(pattern, func(m *nats.Msg) { r.keep(m.Subject, m.Data, time.Now()) })
	if err == nil {
		err = sub.SetPendingLimits(maxReports, reportsBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("listen to reports: %w", err)
	}
	return r, nil
}

func (r *reports) subject(process string) string {
	return strings.TrimSuffix(r.pattern, "*") + process
}

// keep keeps a report, if there is room, and none of who says goodbye with an empty one.
func (r *reports) keep(subject string, data []byte, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.mu.by[subject]
	if len(data) == 0 {
		r.mu.bytes -= len(old.data)
		delete(r.mu.by, subject)
		return
	}
	if len(data) > maxReport || len(subject) > 256 {
		return
	}
	if _, known := r.mu.by[subject]; (!known && len(r.mu.by) >= maxReports) || r.mu.bytes-len(old.data)+len(data) > reportsBytes {
		r.expireLocked(now)
		if old, known = r.mu.by[subject]; (!known && len(r.mu.by) >= maxReports) || r.mu.bytes-len(old.data)+len(data) > reportsBytes {
			return
		}
	}
	r.mu.bytes += len(data) - len(old.data)
	r.mu.by[subject] = report{at: now, data: data}
}

func (r *reports) expireLocked(now time.Time) {
	for subject, one := range r.mu.by {
		if now.Sub(one.at) > r.age {
			r.mu.bytes -= len(one.data)
			delete(r.mu.by, subject)
		}
	}
}

// heard reports whether there is a report with that subject that is no older than age.
func (r *reports) heard(subject string, age time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, ok := r.mu.by[subject]
	return ok && time.Since(one.at) <= age
}

// of returns the reports of a mirror's processes by their ids.
func (r *reports) of(mirror string) map[string][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expireLocked(time.Now())
	prefix := subjects(mirror).report("")
	all := make(map[string][]byte)
	for subject, one := range r.mu.by {
		if process, found := strings.CutPrefix(subject, prefix); found {
			all[process] = one.data
		}
	}
	return all
}
