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
	// Leader is the id of the process that lists; empty: none.
	Leader    string           `json:"leader"`
	Processes []cluster.Report `json:"processes"`
	// Totals are what the leader knows, null where none leads.
	Totals *cluster.Leading `json:"totals"`
}

// clusterSchema is the version of clusterStatus.
const clusterSchema = 1

// statusOfCluster shows who makes mirrors together.
func (a *app) statusOfCluster(ctx context.Context, f *statusFlags) (err error) {
	watcher, err := a.watchCluster(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, watcher.Close()) }()
	s := screen.New(a.rawStdout)
	for {
		asking, cancel := context.WithTimeout(ctx, askPatience)
		mirrors, err := watcher.Mirrors(asking)
		cancel()
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

// watchCluster begins to listen, to the mirror of --segments or to all.
func (a *app) watchCluster(ctx context.Context, f *statusFlags) (*natsbus.Watcher, error) {
	o := natsbus.Options{Servers: f.cluster.servers, Login: f.cluster.login(), Log: zerolog.Nop()}
	if f.segments.url != "" {
		store, err := f.segments.open(ctx, nil, false, zerolog.Nop())
		if err != nil {
			return nil, err
		}
		of, err := segments.Open(ctx, store, "", time.Time{})
		if err = joinClose(err, store); err != nil {
			return nil, err
		}
		o.Mirror = of.ID
	}
	joining, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	watcher, err := natsbus.Watch(joining, o)
	if err != nil {
		return nil, fmt.Errorf("--cluster %s: %w; check that NATS is up there", natsbus.Where(f.cluster.servers), err)
	}
	return watcher, nil
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
func (a *app) showClusters(s *screen.Screen, f *statusFlags, mirrors []natsbus.Mirror, missing error) {
	var lines []string
	for i := range mirrors {
		st := clusterStatusOf(&mirrors[i])
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
	slices.SortFunc(st.Processes, func(a, b cluster.Report) int { return strings.Compare(a.Process, b.Process) })
	return st
}

// lines is the status for people.
func (st *clusterStatus) lines() []string {
	lines := []string{fmt.Sprintf("mirror %s: %s", st.Mirror, counted(uint64(len(st.Processes)), "process"))}
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
	} else {
		lines = append(lines, "  nobody lists at the moment")
	}
	for i := range st.Processes {
		r := &st.Processes[i]
		line := "  " + text.Printable(r.Process)
		if r.Leader != nil {
			line += "  lists"
		}
		if n := len(r.Working); n > 0 {
			line += fmt.Sprintf("  works at %s, for %s", counted(uint64(n), "segment"), text.Span(time.Duration(r.Working[0].Seconds*float64(time.Second))))
		} else {
			line += "  waits for work"
		}
		lines = append(lines, line+fmt.Sprintf("  %s files  %s", count(uint64(max(r.Files, 0))), bytesText(float64(max(r.Bytes, 0)))))
	}
	return lines
}
