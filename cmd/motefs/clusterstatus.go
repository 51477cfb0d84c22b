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
	// Totals are what the leader knows, or of a complete mirror what it has; else null.
	Totals *cluster.Leading `json:"totals"`
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
		if err != nil && !f.watch {
			return fmt.Errorf("--cluster: %w", err)
		}
		a.showClusters(s, f, mirrors, err)
		if !f.watch {
			return nil
		}
		if !sleepFor(ctx, watchEvery) {
			s.Keep()
			return nil
		}
	}
}

// clusterWatch is what status asks: NATS and, with --segments, the object store.
type clusterWatch struct {
	nats   *natsbus.Watcher // nil: the mirror is complete
	store  objects.Store    // nil: there is no --segments
	reader segments.Reader
	index  segments.Index // as far as it was read
}

// watchCluster begins to listen, to the mirror of --segments or to all.
func (a *app) watchCluster(ctx context.Context, f *statusFlags) (_ *clusterWatch, err error) {
	o := natsbus.Options{Servers: f.cluster.servers, Login: f.cluster.login(), Log: zerolog.Nop()}
	w := &clusterWatch{}
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
			return nil, fmt.Errorf("%s: %w", f.segments.shown(), err)
		}
		o.Mirror, w.reader = of.ID, segments.Reader{Store: w.store, Mirror: of.ID}
	}
	// Of a complete mirror NATS knows nothing more; a server that was embedded has ended with it.
	if complete, err := w.complete(ctx); err != nil || complete {
		return w, err
	}
	joining, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	if w.nats, err = natsbus.Watch(joining, o); err != nil {
		return nil, fmt.Errorf("--cluster %s: %w; check that NATS is up there", natsbus.Where(f.cluster.servers), err)
	}
	return w, nil
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
		return false, fmt.Errorf("--segments: %w", err)
	}
	return w.index.Complete, nil
}

// mirrors are what is known of mirrors. The object store is asked where nobody lists any more, or
// NATS does not answer.
func (w *clusterWatch) mirrors(ctx context.Context) (all []*clusterStatus, err error) {
	if w.nats != nil {
		asking, cancel := context.WithTimeout(ctx, askPatience)
		found, natsErr := w.nats.Mirrors(asking)
		cancel()
		for i := range found {
			all = append(all, clusterStatusOf(&found[i]))
		}
		err = natsErr
	}
	if w.store == nil || err == nil && len(all) > 0 && all[0].Totals != nil && !all[0].Complete {
		return all, err
	}
	complete, storeErr := w.complete(ctx)
	if !complete {
		for i := range all { // NATS is believed where the object store says nothing
			all[i].Complete = all[i].Complete && storeErr != nil
		}
		return all, errors.Join(err, storeErr)
	}
	if len(all) == 0 {
		all = []*clusterStatus{clusterStatusOf(&natsbus.Mirror{ID: w.reader.Mirror})}
	}
	all[0].Complete, all[0].Totals = true, cluster.Completed(&w.index)
	return all, nil
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
		lines = append(lines, "nobody is mirroring at "+natsbus.Where(f.cluster.servers))
	}
	if f.watch && s.Terminal() && !f.json {
		for i := range lines {
			lines[i] = text.Cut(lines[i], s.Columns()-1)
		}
		s.Live(lines)
		return
	}
	for _, line := range lines {
		fmt.Fprintln(a.stdout, line)
	}
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

// lines is the status for people.
func (st *clusterStatus) lines() []string {
	lines := []string{fmt.Sprintf("mirror %s: ", text.Printable(st.Mirror))}
	if st.Complete {
		lines[0] += "complete"
	} else {
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
		lines = append(lines, fmt.Sprintf("  segments  %s  %s sealed  %s left", count(t.Segments), count(t.Sealed), count(t.Left())))
	} else if !st.Complete {
		lines = append(lines, "  nobody lists at the moment; where all processes have ended, --segments has it said whether the mirror is complete")
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
		} else {
			line += "  waits for work"
		}
		lines = append(lines, line+fmt.Sprintf("  %s files  %s", count(uint64(max(r.Files, 0))), bytesText(float64(max(r.Bytes, 0)))))
	}
	return lines
}
