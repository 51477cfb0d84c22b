package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/motefs/motefs/cmd/motefs/internal/text"
	"github.com/motefs/motefs/mirror/cluster"
	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/rs/zerolog"
)

// clusterStatus is what is known of a mirror in segments. Its JSON is documented in status.md,
// and only added to.
type clusterStatus struct {
	SchemaVersion int       `json:"schema_version"`
	Time          time.Time `json:"time"`
	Mirror        string    `json:"mirror"` // its id
	// Queued and Working are what NATS knows of segments: what waits, and what was given out.
	Queued  uint64 `json:"queued"`
	Working uint64 `json:"working"`
	// Complete: all is done, as a process has reported, or the object store says.
	Complete bool `json:"complete"`
	// Leader is the id of the process that lists; empty: none.
	Leader    string           `json:"leader"`
	Processes []cluster.Report `json:"processes"`
	// Totals are what the leader knows, or of a complete mirror what it has, or what the object
	// store says where nobody leads; else null.
	Totals *cluster.Leading `json:"totals"`

	asked  bool // the object store
	unsaid bool // NATS was not to be asked
}

// clusterSchema is the version of clusterStatus.
const clusterSchema = 1

// statusOfCluster shows who makes mirrors together.
func (a *app) statusOfCluster(ctx context.Context, f *statusFlags) (err error) {
	watch, err := a.watchCluster(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, watch.close()) }()
	s := screen.New(a.rawStdout)
	for {
		mirrors, err := watch.mirrors(ctx)
		if ctx.Err() != nil && f.watch {
			s.Keep()
			return nil
		}
		if !f.watch {
			if err == nil || len(mirrors) > 0 {
				a.showClusters(s, f, mirrors, nil)
			}
			return err
		}
		a.showClusters(s, f, mirrors, err)
		if !sleepFor(ctx, watchEvery) {
			s.Keep()
			return nil
		}
	}
}

// clusterWatch is what status asks: NATS and, with --segments, the object store.
type clusterWatch struct {
	o      natsbus.Options
	nats   *natsbus.Watcher // nil: not joined yet, or never
	of     *segmentsFlags
	store  objects.Store // nil: there is no --segments
	reader segments.Reader
	index  segments.Index // as far as it was read
}

// joinsSoon is how long NATS may take to be joined.
const joinsSoon = 5 * time.Second

// watchCluster begins to listen, to the mirror of --segments or to all.
func (a *app) watchCluster(ctx context.Context, f *statusFlags) (_ *clusterWatch, err error) {
	w := &clusterWatch{o: natsbus.Options{Servers: f.cluster.servers, Login: f.cluster.login(), Log: zerolog.Nop()}, of: &f.segments}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if f.segments.url != "" {
		if w.store, err = f.segments.open(ctx, nil, false, zerolog.Nop()); err != nil {
			return nil, err
		}
		of, err := segments.Open(ctx, w.store, "", time.Time{})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.segments.shown(), f.segments.about(err))
		}
		w.o.Mirror, w.reader = of.ID, segments.Reader{Store: w.store, Mirror: of.ID}
	}
	return w, nil
}

// heardOf are the mirrors that NATS knows. It is joined first where it could not be yet.
func (w *clusterWatch) heardOf(ctx context.Context) ([]*clusterStatus, error) {
	if w.o.Servers == "" {
		return nil, nil
	}
	if w.nats == nil {
		joining, cancel := context.WithTimeout(ctx, joinsSoon)
		defer cancel()
		nats, err := natsbus.Watch(joining, w.o)
		if err != nil {
			return nil, w.away(err)
		}
		w.nats = nats
	}
	asking, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	found, err := w.nats.Mirrors(asking)
	var all []*clusterStatus
	for i := range found {
		all = append(all, clusterStatusOf(&found[i]))
	}
	if err != nil {
		err = w.away(err)
	}
	return all, err
}

// away is an error of NATS, with what to do about it.
func (w *clusterWatch) away(err error) error {
	do := "check that NATS is up there"
	if w.store == nil {
		do += "; with --segments it says how far the mirror is, also where all processes have ended"
	}
	return refusedBy(err, do)
}

func (w *clusterWatch) close() error {
	var errs []error
	if w.nats != nil {
		errs = append(errs, w.nats.Close())
	}
	if w.store != nil {
		errs = append(errs, w.store.Close())
	}
	return errors.Join(errs...)
}

// complete reports whether the object store says that the mirror is complete.
func (w *clusterWatch) complete(ctx context.Context) (bool, error) {
	if w.store == nil {
		return false, nil
	}
	asking, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	if _, err := w.reader.Follow(asking, &w.index); err != nil {
		return false, fmt.Errorf("--segments: %w", w.of.about(err))
	}
	return w.index.Complete, nil
}

// mirrors are what is known of mirrors. The object store is asked where nobody lists any more, or
// NATS does not answer. Of a complete mirror NATS is not asked: a server that was embedded has ended
// with it.
func (w *clusterWatch) mirrors(ctx context.Context) (all []*clusterStatus, err error) {
	if w.store == nil {
		return w.heardOf(ctx)
	}
	if w.index.Complete {
		return []*clusterStatus{w.stored(nil)}, nil
	}
	var storeErr error
	if w.nats == nil {
		if _, storeErr = w.complete(ctx); w.index.Complete {
			return []*clusterStatus{w.stored(nil)}, nil
		}
	}
	all, err = w.heardOf(ctx)
	if err == nil && len(all) > 0 && all[0].Totals != nil && !all[0].Complete {
		return all, nil
	}
	if w.nats != nil {
		_, storeErr = w.complete(ctx)
	}
	if storeErr != nil { // NATS is believed where the object store says nothing
		return all, errors.Join(err, storeErr)
	}
	var heard *clusterStatus
	if len(all) > 0 {
		heard = all[0]
	}
	st := w.stored(heard)
	if st.Complete {
		err = nil // who could be heard does not matter any more
	}
	return []*clusterStatus{st}, err
}

// stored is what the object store says of the mirror, added to what was heard of it, which may be nil.
func (w *clusterWatch) stored(st *clusterStatus) *clusterStatus {
	if st == nil {
		st = clusterStatusOf(&natsbus.Mirror{ID: w.reader.Mirror})
	}
	st.asked, st.unsaid, st.Complete = true, w.o.Servers == "", w.index.Complete
	if st.Complete || st.Totals == nil {
		st.Totals = cluster.Completed(&w.index)
		st.Totals.ListingComplete = st.Complete
	}
	return st
}

// sleepFor waits, and returns false where ctx ends meanwhile.
func sleepFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// showClusters shows mirrors, for people or as JSON.
func (a *app) showClusters(s *screen.Screen, f *statusFlags, mirrors []*clusterStatus, missing error) {
	var lines []string
	for i, st := range mirrors {
		if f.json {
			b, err := json.Marshal(st)
			if err != nil {
				missing = errors.Join(missing, err)
				continue
			}
			fmt.Fprintf(a.stdout, "%s\n", text.OneLine(string(b)))
			continue
		}
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, st.lines()...)
	}
	switch {
	case missing != nil && f.json:
		printLine(a.stderr, "motefs: %v", missing)
	case missing != nil:
		lines = append(lines, oneLine(missing.Error()))
	case len(mirrors) == 0 && !f.json:
		lines = append(lines, "nobody is mirroring at "+natsbus.Where(f.cluster.servers)+"; with --segments a mirror is looked at in its object store")
	}
	if f.watch && s.Terminal() && !f.json {
		s.Live(wrapped(lines, s.Columns()-1))
		return
	}
	if f.watch && len(lines) > 0 {
		lines = append(lines, "") // each is for itself
	}
	for _, line := range lines {
		fmt.Fprintln(a.stdout, line)
	}
}

// wrapped are lines in so many columns. What does not fit stands below its beginning, further in.
func wrapped(lines []string, columns int) (out []string) {
	for _, line := range lines {
		if text.Width(line) <= columns {
			out = append(out, line)
			continue
		}
		body := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(body)]
		for i, part := range text.Wrap(strings.Split(body, "  "), columns-len(indent)-2) {
			if i > 0 {
				part = "  " + part
			}
			out = append(out, indent+part)
		}
	}
	return out
}

func clusterStatusOf(m *natsbus.Mirror) *clusterStatus {
	st := &clusterStatus{
		SchemaVersion: clusterSchema, Time: time.Now().UTC(), Mirror: m.ID, Queued: m.Queued, Working: m.Working,
		Leader: m.Lister, Processes: []cluster.Report{},
	}
	for id, b := range m.Reports {
		var r cluster.Report
		if json.Unmarshal(b, &r) != nil {
			continue // of another version; it is a hint
		}
		r.Process = id
		st.Processes = append(st.Processes, r)
	}
	_, st.Totals = heard(st.Processes)
	var end cluster.Report // of one that has ended
	if json.Unmarshal(m.Complete, &end) == nil && end.Complete {
		if st.Complete = true; end.Leader != nil {
			st.Totals = end.Leader
		}
	}
	for i := range st.Processes {
		r := &st.Processes[i]
		if st.Complete = st.Complete || r.Complete; r.Complete && r.Leader != nil {
			st.Totals = r.Leader // the others' were before the end
		}
	}
	slices.SortFunc(st.Processes, func(a, b cluster.Report) int { return strings.Compare(a.Process, b.Process) })
	return st
}

// waiting is how many of them wait for files that did not come.
func waiting(all []cluster.Working) (n int) {
	for _, w := range all {
		if w.Waiting {
			n++
		}
	}
	return n
}

// lines is the status for people.
func (st *clusterStatus) lines() []string {
	lines := []string{fmt.Sprintf("mirror %s: ", text.Printable(st.Mirror))}
	switch {
	case st.Complete:
		lines[0] += "complete"
	case st.unsaid:
		lines[0] += "not complete; with --cluster it says who works at it"
	case len(st.Processes) == 0:
		lines[0] += "not complete, and no process is heard"
	default:
		lines[0] += counted(uint64(len(st.Processes)), "process")
	}
	done, _ := heard(st.Processes)
	if t := st.Totals; t != nil {
		listed := count(max(t.Listed, done.files))
		if !t.ListingComplete {
			listed += " so far"
		}
		lines = append(lines, "  listed    "+listed,
			fmt.Sprintf("  fetched   %s  %s", count(max(t.Fetched, done.files)), bytesText(float64(max(t.Bytes, done.bytes)))))
		if t.Failed > 0 {
			lines = append(lines, "  failed    "+count(t.Failed))
		}
		if t.Gone > 0 {
			lines = append(lines, "  gone      "+count(t.Gone))
		}
		switch {
		case st.asked && !st.Complete: // what is listed and not sealed is not known
			lines = append(lines, fmt.Sprintf("  segments  %s sealed", count(t.Sealed)))
		case t.Segments == 0 && !st.Complete:
			lines = append(lines, "  segments  none is sealed yet")
		default:
			lines = append(lines, fmt.Sprintf("  segments  %s  %s sealed  %s left", count(t.Segments), count(t.Sealed), count(t.Left())))
		}
	} else if !st.Complete {
		lines = append(lines, "  nobody lists at the moment; with --segments it says how far the mirror is, also where all processes have ended")
	}
	for i := range st.Processes {
		r := &st.Processes[i]
		if r.Complete && r.Files == 0 {
			continue // it came when all was done, or is but the note of that
		}
		line := "  " + text.Printable(r.Process)
		if r.Leader != nil && !r.Complete {
			line += "  lists"
		}
		if r.Complete {
			line += "  is done"
		} else if n := len(r.Working); n > 0 {
			line += fmt.Sprintf("  works at %s, for %s", counted(uint64(n), "segment"), text.Span(time.Duration(r.Working[0].Seconds*float64(time.Second))))
			if n := waiting(r.Working); n > 0 {
				line += fmt.Sprintf(", %d of them waiting for files that did not come", n)
			}
		} else {
			line += "  waits for work"
		}
		lines = append(lines, line+fmt.Sprintf("  %s files  %s", count(uint64(max(r.Files, 0))), bytesText(float64(max(r.Bytes, 0)))))
	}
	return lines
}
