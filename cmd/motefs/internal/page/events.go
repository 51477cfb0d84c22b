package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// event is what is sent of each sample.
type event struct {
	// Process tells one run of motefs from the next; its samples begin with number 1.
	Process string `json:"process"`
	Number  uint64 `json:"number"`
	Sample  sample `json:"sample"`
	Status  any    `json:"status"`
	Store   *Store `json:"store"`
}

// pastSamples is a part of the history.
type pastSamples struct {
	Process string   `json:"process"`
	Last    uint64   `json:"last"` // number of the last one
	Fields  []string `json:"fields"`
	Rows    []sample `json:"rows"` // the last ones, without a gap
	Most    int      `json:"most"` // as many are kept
}

// latest is the last event. Streams wait for the next one, and send that alone: one that
// lags skips some.
type latest struct {
	mu struct {
		sync.Mutex
		texts   texts
		changed chan struct{} // closed when there is another one
	}
}

// texts are an event's forms, nil where there was none.
type texts struct {
	whole  []byte // for who may see names
	public []byte
}

// of is the form for who may see names, or for all.
func (t *texts) of(names bool) []byte {
	if names {
		return t.whole
	}
	return t.public
}

func newLatest() *latest {
	l := &latest{}
	l.mu.changed = make(chan struct{})
	return l
}

func (l *latest) set(t texts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.texts = t
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
}

func (l *latest) get() (t texts, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.texts, l.mu.changed
}

// sample takes samples until the page is closed, and one then, so that who looks sees how
// it ended. The status is gathered only while somebody looks.
func (p *Page) sample() {
	defer close(p.over)
	tick := time.NewTicker(p.o.Every)
	defer tick.Stop()
	var m Meters
	var s sample
	var number uint64
	take := func() {
		before := m
		m = p.o.Source.Meters()
		s = sampleOf(time.Now(), &m, &before)
		number = p.history.add(s)
	}
	take()
	for ending := false; ; {
		if len(p.streams) == 0 {
			p.latest.set(texts{})
		} else if t, err := textsOf(event{Process: p.process, Number: number, Sample: s, Store: m.Store}, p.o.Source); err != nil {
			p.log.Error().Err(err).Msg("the page cannot show the status")
		} else {
			p.latest.set(t)
		}
		if ending {
			return
		}
		select {
		case <-p.ctx.Done():
			ending = true
			take()
		case <-tick.C:
			take()
		case <-p.joined:
		}
	}
}

// textsOf are the forms of an event to which a status is added.
func textsOf(e event, source Source) (t texts, err error) {
	whole, public := source.Status()
	for _, form := range []struct {
		status any
		to     *[]byte
	}{{whole, &t.whole}, {public, &t.public}} {
		e.Status = form.status
		text, err := json.Marshal(e)
		if err != nil {
			return texts{}, err
		}
		*form.to = fmt.Appendf(nil, "data: %s\n\n", text)
	}
	return t, nil
}

// events is a stream: each sample from now on, the latest at once.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		w.Header().Set("Retry-After", "10")
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("%d browsers have this page open already; close some", maxStreams))
		return
	}
	select {
	case p.joined <- struct{}{}:
	default: // the sampler is told already
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Time{}); err != nil { // the server's is for one request
		fail(w, http.StatusInternalServerError, "no deadline can be set: "+err.Error())
		return
	}
	send := func(text []byte, within time.Duration) bool {
		if control.SetWriteDeadline(time.Now().Add(within)) != nil {
			return false
		}
		_, err := w.Write(text)
		return err == nil && control.Flush() == nil
	}
	names := p.owns(r) == nil
	for {
		latest, changed := p.latest.get()
		text := latest.of(names)
		if text != nil && !send(text, writeTime) {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-p.over:
			last, _ := p.latest.get()
			send(append(slices.Clone(last.of(names)), "event: end\ndata:\n\n"...), endTime)
			return
		}
	}
}

// past answers with the samples after a number.
func (p *Page) past(w http.ResponseWriter, r *http.Request) {
	since := uint64(0)
	if text := r.URL.Query().Get("since"); text != "" {
		var err error
		if since, err = strconv.ParseUint(text, 10, 64); err != nil {
			fail(w, http.StatusBadRequest, "since is no number")
			return
		}
	}
	rows, last := p.history.after(since)
	if rows == nil {
		rows = []sample{}
	}
	reply(w, pastSamples{Process: p.process, Last: last, Fields: fieldKeys[:], Rows: rows, Most: historySamples})
}
